// Ships what was ordered: a consumer that pulls messages, handles each one and acknowledges them.
const { BROKER_URL } = process.env;
const subscription = `${BROKER_URL}/v1/subscriptions/orders/shipping`;

async function post(path, body) {
  const answer = await fetch(subscription + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

console.log('ready');
for (;;) {
  // Waits up to 5 s at the broker for something to do.
  const { deliveries } = await post('/receive', { max: 10, waitMs: 5000 });
  for (const { message } of deliveries) console.log(`${message.body.order} (${message.body.item}) is on its way`);
  if (deliveries.length > 0) await post('/ack', { receipts: deliveries.map(({ receipt }) => receipt) });
}
