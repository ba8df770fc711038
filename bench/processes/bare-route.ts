import fastify from 'fastify';
import { serveCalls } from './serve-calls.js';

/** The yardstick: a bare Fastify GET that answers 20 bytes of JSON. */
const app = fastify();
app.get('/', () => ({ hello: 'world', n: 1 }));
const url = await app.listen({ host: '127.0.0.1', port: 0 });
serveCalls({ url: () => url });
