import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;

/** What became of each message of one run, by its number. All of it may be called by several threads. */
final class Ledger {
    static final int BODY_BYTES = 256;
    private static final int MESSAGES_MAX = 2_000_000;
    private static final String HEAD = "{\"n\":";
    private static final int DIGITS = 7;

    private final AtomicInteger sequence = new AtomicInteger();
    private final AtomicIntegerArray times = new AtomicIntegerArray(MESSAGES_MAX);
    private final long[] begunAt = new long[MESSAGES_MAX];
    private final long[] committedAt = new long[MESSAGES_MAX];
    private final boolean[] answered = new boolean[MESSAGES_MAX];
    private final AtomicInteger answeredCount = new AtomicInteger();
    private final AtomicInteger deliveredCount = new AtomicInteger();
    private final AtomicInteger duplicates = new AtomicInteger();
    private final AtomicInteger errors = new AtomicInteger();
    private final AtomicInteger checks = new AtomicInteger();
    private final Samples endToEnd = new Samples();
    private final Samples sinceCommit = new Samples();

    private volatile boolean open;
    private volatile long openedAt;
    private volatile long closedAt;
    private volatile int answeredAtOpening;
    private volatile int deliveredAtOpening;
    private volatile int stored;
    private volatile int delivered;
    private volatile int backlogAtEnd;

    /** The number of a new message. */
    int begin() {
        int number = sequence.incrementAndGet();
        begunAt[number] = System.nanoTime();
        return number;
    }

    /** A JSON document of 256 bytes that starts with the number. */
    byte[] body(int number) {
        byte[] body = new byte[BODY_BYTES];
        Arrays.fill(body, (byte) 'x');
        byte[] head = String.format(Locale.ROOT, "%s%" + DIGITS + "d,\"p\":\"", HEAD, number)
            .getBytes(StandardCharsets.US_ASCII);
        System.arraycopy(head, 0, body, 0, head.length);
        body[BODY_BYTES - 2] = '"';
        body[BODY_BYTES - 1] = '}';
        return body;
    }

    /** The local transaction has been done: what follows is the call that commits. */
    void committing(int number) {
        committedAt[number] = System.nanoTime();
    }

    void answered(int number) {
        answered[number] = true;
        answeredCount.incrementAndGet();
    }

    void failed(Exception error) {
        if (errors.incrementAndGet() <= 10) System.err.println(error);
    }

    void checkedBack() {
        checks.incrementAndGet();
    }

    void received(byte[] body) {
        String digits = new String(body, HEAD.length(), DIGITS, StandardCharsets.US_ASCII);
        int number = Integer.parseInt(digits.trim());
        if (times.incrementAndGet(number) > 1) {
            duplicates.incrementAndGet();
            return;
        }
        deliveredCount.incrementAndGet();
        if (!open) return;
        long now = System.nanoTime();
        endToEnd.add(now - begunAt[number]);
        if (committedAt[number] != 0) sinceCommit.add(now - committedAt[number]);
    }

    void open() {
        answeredAtOpening = answeredCount.get();
        deliveredAtOpening = deliveredCount.get();
        openedAt = System.nanoTime();
        open = true;
    }

    void close() {
        open = false;
        closedAt = System.nanoTime();
        delivered = deliveredCount.get() - deliveredAtOpening;
        stored = answeredCount.get() - answeredAtOpening;
        backlogAtEnd = Math.max(0, answeredCount.get() - deliveredCount.get());
    }

    boolean everythingDelivered() {
        return deliveredCount.get() >= answeredCount.get();
    }

    /** A line of JSON, as LoadFigures of load.ts describes it. */
    String figures() {
        int neverDelivered = 0;
        for (int number = 1; number <= sequence.get(); number++) {
            if (answered[number] && times.get(number) == 0) neverDelivered++;
        }
        String commitToReceipt = sinceCommit.isEmpty() ? "" : ",\"commitToReceiptMs\":" + sinceCommit.percentiles();
        return String.format(Locale.ROOT,
            "{\"event\":\"figures\",\"seconds\":%f,\"stored\":%d,\"delivered\":%d,\"endToEndMs\":%s%s,"
                + "\"backlogAtEnd\":%d,\"neverDelivered\":%d,\"duplicates\":%d,\"errors\":%d,\"checks\":%d}",
            (closedAt - openedAt) / 1e9, stored, delivered, endToEnd.percentiles(), commitToReceipt, backlogAtEnd,
            neverDelivered, duplicates.get(), errors.get(), checks.get());
    }

    /** Durations in nanoseconds, as many as there can be messages. */
    private static final class Samples {
        private final long[] nanos = new long[MESSAGES_MAX];
        private final AtomicInteger count = new AtomicInteger();

        void add(long duration) {
            nanos[count.getAndIncrement()] = duration;
        }

        boolean isEmpty() {
            return count.get() == 0;
        }

        /** The nearest ranks in milliseconds, as JSON; zeros where there is no sample. */
        String percentiles() {
            long[] sorted = Arrays.copyOf(nanos, count.get());
            Arrays.sort(sorted);
            return String.format(Locale.ROOT, "{\"p50\":%f,\"p99\":%f,\"max\":%f}",
                at(sorted, 0.5), at(sorted, 0.99), at(sorted, 1));
        }

        private static double at(long[] sorted, double rank) {
            if (sorted.length == 0) return 0;
            return sorted[(int) Math.min(sorted.length - 1, sorted.length * rank)] / 1e6;
        }
    }
}
