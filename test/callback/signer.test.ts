import { Webhook } from 'standardwebhooks';
import { newSecret, previousSecretSignsMs, signedHeaders } from '../../src/callback/signer.js';

const body = '{"hello":"wörld ✓"}';

describe('signedHeaders', () => {
  it('is verified by the library of Standard Webhooks', () => {
    const current = newSecret();
    const headers = signedHeaders({ current }, 'm-1', body, Date.now());
    expect(new Webhook(current).verify(body, headers)).toEqual(JSON.parse(body));
    expect(() => new Webhook(newSecret()).verify(body, headers)).toThrow('No matching signature');
    expect(() => new Webhook(current).verify(`${body} `, headers)).toThrow('No matching signature');
  });

  it('signs with the previous secret too until its time is over', () => {
    const now = Date.now();
    const secrets = { current: newSecret(), previous: newSecret(), previousUntil: now + previousSecretSignsMs };
    const during = signedHeaders(secrets, 'm-1', body, now);
    expect(during['webhook-signature']!.split(' ')).toHaveLength(2);
    new Webhook(secrets.current).verify(body, during);
    new Webhook(secrets.previous).verify(body, during);

    const after = signedHeaders({ ...secrets, previousUntil: now }, 'm-1', body, now);
    new Webhook(secrets.current).verify(body, after);
    expect(() => new Webhook(secrets.previous).verify(body, after)).toThrow('No matching signature');
  });

  it('keeps full stops out of the id, because they separate what is signed', () => {
    const current = newSecret();
    const headers = signedHeaders({ current }, 'order.1:2-3_4', body, Date.now());
    expect(headers['webhook-id']).toBe('order~1:2-3_4');
    new Webhook(current).verify(body, headers);
  });
});

describe('newSecret', () => {
  it('is whsec_ and 32 random bytes', () => {
    const secret = newSecret();
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(newSecret()).not.toBe(secret);
  });
});
