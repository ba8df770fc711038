import { bounds } from './bounds.js';

// Clients take `.` and `..` out of a path, however they are escaped: nobody could ask for what has such a name.
const noStep = '(?!\\.{1,2}$)';

/** Ids of transactions and messages: 1..64 of these characters, compared byte by byte; not `.` or `..`. */
export const idPattern = new RegExp(`^${noStep}[A-Za-z0-9_.:-]{1,${bounds.idLengthMax}}$`);

/** Topic names; not `.` or `..`. */
export const topicPattern = new RegExp(`^${noStep}[A-Za-z0-9_.-]{1,${bounds.topicLengthMax}}$`);

/** Names of consumer groups and producers. Without a dot, so that `{topic}.{group}` names one subscription only. */
export const groupPattern = new RegExp(`^[A-Za-z0-9_-]{1,${bounds.groupLengthMax}}$`);

/** Tags: no white space and none of the characters that a filter uses. */
export const tagPattern = new RegExp(`^[^\\s|*]{1,${bounds.tagLengthMax}}$`, 'u');
