// Package quix reads and writes the data formats of the Quix platform: timeseries and events, each in the legacy form (an
// envelope around the data) and in the one with headers.
//
// One timeseries message holds many samples, and a message may hold a list of events: a topic with a codec of this package
// gives a record for each, all with the key and time of the message. Messages that describe the stream rather than its data
// (StreamProperties, StreamEnd, ParameterDefinitions, EventDefinitions) are passed over and counted as ignored.
//
// [Timeseries] and [Events] have Go types; [Rows] and [EventRows] have maps and read both. Times inside the data are
// nanoseconds since the Unix epoch and are data only: the time of a record is that of its Kafka message.
package quix
