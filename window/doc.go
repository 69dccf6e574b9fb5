// Package window defines windows over event time and what is computed in them.
//
// A [Definition] says which windows a record falls into and when a window closes; an [Aggregator] says what the records
// of a window are turned into. Stream.Window and Windowed.Aggregate bring the two together.
//
// A window closes when a record of the same key shows that time has passed its end by the grace period. A record that
// comes later still is late: it is counted, logged, and not added.
package window
