// Package deadletter reads and replays the dead letters of applications: records that could not be processed, with headers about the error.
//
// A letter is the record as it lay in its topic: the bytes of key and value, the headers and the time. Behind its own headers come those of
// Kafka Streams (KIP-1034) and those of Weir, all of them text.
//
// A [Reader] returns letters one by one, and [Replay] writes the records of letters to the topics that they came of.
package deadletter
