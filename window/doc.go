// Package window defines windows over event time and what is computed in them.
//
// A [Definition] says which windows a record falls into and when a window closes; an [Aggregator] says what the records
// of a window are turned into. Stream.Window and Windowed.Aggregate bring the two together, and the methods of what they
// return say when results are emitted.
//
// A window closes when a record of the same key, or of the same partition with [Definition.CloseByPartition], shows that
// time has passed its end by the grace period. A record that comes later still is late: it is counted, told to
// [Definition.OnLate], and not added.
//
// A window exists from its first record on, also if the value of that is null; null values are not added. The result of a
// window without values is the zero value, or nil with [Optional], which tells a mean of nothing from a mean of 0.
package window
