import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.client.producer.TransactionSendResult;
import org.apache.rocketmq.common.message.Message;

/**
 * Producers and a consumer of RocketMQ in one process. It reads a command a line and answers with lines of JSON:
 *
 * <pre>
 * first                                 the first transaction that a starting broker answers: "ready", "first"
 * transactional THREADS WARM-UP WINDOW  so many threads, each with one transaction after the other (seconds)
 * plain THREADS WARM-UP WINDOW          the same with synchronous sends
 * paced RATE WARM-UP WINDOW             transactions begun at a fixed rate, whether or not earlier ones are answered
 * </pre>
 *
 * The last three answer with "opened" and "closed" when their window does, and "figures" at the end.
 */
public final class Load {
    private static final int QUEUES = 8;
    private static final long DRAIN_MS_MAX = 30_000;
    private static final int PACED_THREADS = 64;

    private final Clients clients;
    private int runs;
    private volatile boolean halted;

    private Load(String nameServer) {
        clients = new Clients(nameServer);
    }

    public static void main(String[] args) throws Exception {
        Load load = new Load(args[0]);
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in));
        for (String line = commands.readLine(); line != null; line = commands.readLine()) {
            String[] words = line.split(" ");
            if (words[0].equals("first")) load.first();
            else load.run(words[0], Integer.parseInt(words[1]), Long.parseLong(words[2]), Long.parseLong(words[3]));
        }
        System.exit(0);
    }

    private void first() throws Exception {
        Ledger ledger = new Ledger();
        TransactionMQProducer producer = clients.transactionProducer("producer-first", ledger);
        producer.setSendMsgTimeout(1000);
        tell("ready");
        for (boolean answered = false; !answered;) {
            try {
                transact(producer, "first", ledger);
                answered = true;
            } catch (Exception notYet) {
                Thread.sleep(20);
            }
        }
        tell("first");
        producer.shutdown();
    }

    private void run(String kind, int threadsOrRate, long warmUpSeconds, long windowSeconds) throws Exception {
        String topic = kind + "-" + (++runs);
        Ledger ledger = new Ledger();
        DefaultMQProducer producer = kind.equals("plain")
            ? clients.plainProducer("producer-" + topic)
            : clients.transactionProducer("producer-" + topic, ledger);
        producer.createTopic("TBW102", topic, QUEUES, Map.of());
        DefaultMQPushConsumer consumer = clients.consumer(topic, QUEUES, ledger);
        Call call = producer instanceof TransactionMQProducer transactions
            ? () -> transact(transactions, topic, ledger)
            : () -> send(producer, topic, ledger);
        halted = false;
        ExecutorService threads = kind.equals("paced")
            ? pace(threadsOrRate, call, ledger)
            : loop(threadsOrRate, call, ledger);
        TimeUnit.SECONDS.sleep(warmUpSeconds);
        ledger.open();
        tell("opened");
        TimeUnit.SECONDS.sleep(windowSeconds);
        ledger.close();
        tell("closed");
        halted = true;
        threads.shutdown();
        threads.awaitTermination(DRAIN_MS_MAX, TimeUnit.MILLISECONDS);
        long deadline = System.currentTimeMillis() + DRAIN_MS_MAX;
        while (!ledger.everythingDelivered() && System.currentTimeMillis() < deadline) Thread.sleep(20);
        System.out.println(ledger.figures());
        consumer.shutdown();
        producer.shutdown();
    }

    private static void transact(TransactionMQProducer producer, String topic, Ledger ledger) throws Exception {
        int number = ledger.begin();
        Message message = new Message(topic, ledger.body(number));
        TransactionSendResult result = producer.sendMessageInTransaction(message, number);
        if (result.getSendStatus() != SendStatus.SEND_OK) throw new IllegalStateException(result.toString());
        if (result.getLocalTransactionState() != LocalTransactionState.COMMIT_MESSAGE) {
            throw new IllegalStateException(result.toString());
        }
        ledger.answered(number);
    }

    private static void send(DefaultMQProducer producer, String topic, Ledger ledger) throws Exception {
        int number = ledger.begin();
        SendStatus status = producer.send(new Message(topic, ledger.body(number))).getSendStatus();
        if (status != SendStatus.SEND_OK) throw new IllegalStateException(status.name());
        ledger.answered(number);
    }

    private ExecutorService loop(int count, Call call, Ledger ledger) {
        ExecutorService threads = Executors.newFixedThreadPool(count);
        for (int thread = 0; thread < count; thread++) {
            threads.submit(() -> {
                while (!halted) call.attempt(ledger);
            });
        }
        return threads;
    }

    private ExecutorService pace(int ratePerSecond, Call call, Ledger ledger) {
        ExecutorService threads = Executors.newFixedThreadPool(PACED_THREADS + 1);
        long startedAt = System.nanoTime();
        threads.submit(() -> {
            for (long due = 0; !halted; due++) {
                long dueAt = startedAt + due * 1_000_000_000L / ratePerSecond;
                while (System.nanoTime() < dueAt) LockSupport.parkNanos(dueAt - System.nanoTime());
                if (!halted) threads.submit(() -> call.attempt(ledger));
            }
        });
        return threads;
    }

    private static void tell(String event) {
        System.out.println("{\"event\":\"" + event + "\"}");
    }

    /** One message. */
    private interface Call {
        void once() throws Exception;

        /** An error is counted, and the caller goes on. */
        default void attempt(Ledger ledger) {
            try {
                once();
            } catch (Exception error) {
                ledger.failed(error);
            }
        }
    }
}
