import { closest, distance } from 'fastest-levenshtein';
import { z } from 'zod';
import { parseMicroservices } from './microservices.js';
import { SettingsError } from './settings-error.js';
import { completeSettings, settingSchemas, variableOf, type SettingName, type Settings } from './settings.js';

const prefix = 'HALFBOX_';
/** Variables of the test and benchmark commands, which share the prefix. */
const foreign = /^HALFBOX_(TEST|BENCH)_/;
/** A name further away than this is not what was meant. */
const distanceMax = 6;

const settingOf = new Map(Object.keys(settingSchemas).map((name) => [variableOf(name), name as SettingName]));

/**
 * The settings from environment variables. An empty variable counts as not set.
 * @throws SettingsError for unknown `HALFBOX_` variables and impossible values, with the nearest right one
 */
export function readEnvironment(environment: Record<string, string | undefined>): Settings {
  const problems: string[] = [];
  const options: Record<string, unknown> = {};
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith(prefix) || foreign.test(variable) || text === undefined) continue;
    const setting = settingOf.get(variable);
    if (setting === undefined) problems.push(unknownVariable(variable));
    else if (text !== '') readVariable(variable, setting, text, options, problems);
  }
  if (problems.length > 0) throw new SettingsError(problems);
  return completeSettings(options);
}

function unknownVariable(variable: string): string {
  const nearest = closest(variable, [...settingOf.keys()]);
  const hint = distance(variable, nearest) <= distanceMax ? `did you mean ${nearest}?` : 'see docs/settings.md';
  return `${variable}: unknown setting; ${hint}`;
}

function readVariable(
  variable: string,
  setting: SettingName,
  text: string,
  options: Record<string, unknown>,
  problems: string[],
): void {
  const kind = kindOf(settingSchemas[setting]);
  if (kind instanceof z.ZodBoolean) {
    if (text !== 'true' && text !== 'false') problems.push(`${variable}: expected true or false, got "${text}"`);
    else options[setting] = text === 'true';
  } else if (kind instanceof z.ZodNumber) {
    readInteger(variable, kind, text, setting, options, problems);
  } else if (kind instanceof z.ZodEnum) {
    const choices = kind.options.map(String);
    if (choices.includes(text)) options[setting] = text;
    else
      problems.push(
        `${variable}: expected ${choices.join(', ')}, got "${text}"; did you mean ${closest(text, choices)}?`,
      );
  } else if (kind instanceof z.ZodRecord) {
    try {
      options[setting] = parseMicroservices(text);
    } catch (error) {
      problems.push(`${variable}: ${(error as Error).message}`);
    }
  } else {
    options[setting] = text;
  }
}

function readInteger(
  variable: string,
  kind: z.ZodNumber,
  text: string,
  setting: SettingName,
  options: Record<string, unknown>,
  problems: string[],
): void {
  const range = `a whole number from ${kind.minValue} to ${kind.maxValue}`;
  const parsed = /^-?\d+$/.test(text) ? kind.safeParse(Number(text)) : null;
  if (!parsed?.success) problems.push(`${variable}: expected ${range}, got "${text}"`);
  else options[setting] = parsed.data;
}

/** The schema below a default or an optional. */
function kindOf(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodOptional) return kindOf(schema.unwrap() as z.ZodType);
  return schema;
}
