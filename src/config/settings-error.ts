/** Settings that the broker does not start with. Each problem names its setting and what is right. */
export class SettingsError extends Error {
  constructor(readonly problems: string[]) {
    super(problems.join('\n'));
    this.name = 'SettingsError';
  }
}
