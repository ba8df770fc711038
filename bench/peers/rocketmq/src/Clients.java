import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** RocketMQ's own producers and consumer, as the runs use them. */
final class Clients {
    private static final int BATCH = 32;
    private static final long REBALANCE_MS_MAX = 30_000;

    private final String nameServer;

    Clients(String nameServer) {
        this.nameServer = nameServer;
    }

    DefaultMQProducer plainProducer(String group) throws MQClientException {
        return started(new DefaultMQProducer(group), group);
    }

    /** Its local transactions are empty: each is committed as soon as the half message is stored. */
    TransactionMQProducer transactionProducer(String group, Ledger ledger) throws MQClientException {
        TransactionMQProducer producer = new TransactionMQProducer(group);
        producer.setTransactionListener(new TransactionListener() {
            @Override
            public LocalTransactionState executeLocalTransaction(Message message, Object number) {
                ledger.committing((Integer) number);
                return LocalTransactionState.COMMIT_MESSAGE;
            }

            @Override
            public LocalTransactionState checkLocalTransaction(MessageExt message) {
                ledger.checkedBack();
                return LocalTransactionState.COMMIT_MESSAGE;
            }
        });
        started(producer, group);
        return producer;
    }

    /** A push consumer of the topic that has all of its queues when this returns. */
    DefaultMQPushConsumer consumer(String topic, int queues, Ledger ledger)
        throws MQClientException, InterruptedException {
        String group = "consumer-" + topic;
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group);
        consumer.setNamesrvAddr(nameServer);
        consumer.setInstanceName(group);
        consumer.setVipChannelEnabled(false);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setConsumeMessageBatchMaxSize(BATCH);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            for (MessageExt message : messages) ledger.received(message.getBody());
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        long deadline = System.currentTimeMillis() + REBALANCE_MS_MAX;
        while (queuesOf(consumer, topic) < queues) {
            if (System.currentTimeMillis() > deadline) throw new IllegalStateException("the consumer got no queues");
            Thread.sleep(20);
        }
        return consumer;
    }

    private static long queuesOf(DefaultMQPushConsumer consumer, String topic) {
        return consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().keySet().stream()
            .filter(queue -> queue.getTopic().equals(topic))
            .count();
    }

    private <P extends DefaultMQProducer> P started(P producer, String group) throws MQClientException {
        producer.setNamesrvAddr(nameServer);
        producer.setInstanceName(group);
        producer.setVipChannelEnabled(false);
        producer.start();
        return producer;
    }
}
