import { foundOrigins, givenOrigins } from '../../../src/client/broker/endpoint-urls.js';
import { connect } from '../../../src/client/index.js';

describe('URLs of endpoints', () => {
  it('takes scheme, host and port, and says what is wrong with anything else', () => {
    expect(givenOrigins(['http://a:3900', 'https://b/'])).toEqual(['http://a:3900', 'https://b']);
    expect(() => givenOrigins([])).toThrow('at least one endpoint');
    expect(() => givenOrigins(['localhost:3900'])).toThrow('localhost:3900 is not an HTTP URL');
    expect(() => givenOrigins(['http://a/halfbox'])).toThrow(
      'expected scheme, host and port of a broker only: http://a',
    );
    expect(() => connect({ endpoints: ['http://user:secret@a'] })).toThrow(/only: http:\/\/a$/);
  });

  it('does not follow brokers over HTTP where all given ones are HTTPS, nor what is not a URL', () => {
    const nodes = [{ url: 'http://a:3900' }, { url: 'https://b:3900/' }, { url: 'nonsense' }, { url: 'ftp://c' }];
    expect([...foundOrigins(['https://b'], nodes)]).toEqual(['https://b:3900']);
    expect([...foundOrigins(['https://b', 'http://b'], nodes)]).toEqual(['http://a:3900', 'https://b:3900']);
  });
});
