// Package window defines windows over event time and the aggregators that compute their results.
//
// A [Definition] says which windows a record falls into and when a window closes; an [Aggregator] computes the result of
// the records of a window. Stream.Window and Windowed.Aggregate bring the two together, and methods of stream.Aggregated
// say when results are emitted.
//
// A window closes when a record of the same key, or of the same partition with [Definition.CloseByPartition], shows that
// time has passed its end by the grace period. A record that comes later still is late: it is counted, told to
// [Definition.OnLate], and not added.
//
// A window exists from its first record on, also if the value of that is null; null values are not added. The result of a
// window without values is the zero value, or nil with [Optional], which tells a mean of nothing from a mean of 0.
package window
