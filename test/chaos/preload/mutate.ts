import { register } from 'node:module';
import { mutations } from '../mutations.js';

/** Loads one file of the build with a defect. */
const mutation = mutations.find(({ name }) => name === process.env['CHAOS_MUTATION']);
if (!mutation) throw new Error(`no mutation is named ${process.env['CHAOS_MUTATION']}`);
register('./mutate-source.js', { parentURL: import.meta.url, data: mutation });
