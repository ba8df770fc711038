/** The brokers. One is enough: others of the same store are found. */
export const endpoints = [process.env.BROKER_URL ?? 'http://127.0.0.1:3900'];
