// Package stream declares topologies: typed streams of records, operators on them, and the topics of their output.
//
//	trades := stream.NewTopic("trades", codec.String(), codec.JSON[Trade]())
//	alerts := stream.NewTopic("alerts", codec.String(), codec.JSON[Alert]())
//
//	t := stream.NewTopology()
//	t.From(trades).
//		Filter(func(tr Trade) bool { return tr.Price > 0 }).
//		Map(func(tr Trade) Alert { return Alert{tr.Symbol, tr.Price} }).
//		To(alerts)
//
// A [Stream] is a handle on a place in the topology, not on data. Methods add an operator behind that place and return
// the handle of the new place; using one handle twice makes a branch, and every branch sees every record.
//
// Declaring does nothing else. A topology is run by package runtime and tested by package testkit. [Topology.Validate]
// reports mistakes that the compiler cannot see, all at once, with the line that declared each node.
//
// # Functions
//
// Most operators have two forms. The short form, such as [Stream.Map], takes a function of the value. The Record form, such
// as [Stream.MapRecord], takes a function of the whole [weir.Record] that is given a context and may return an error. An error or
// a panic is a processing error of the record, which goes to runtime.Config.Errors. The context ends when the task must stop
// its work.
//
// Functions are called by one goroutine per task, that is per partition of the input, in the order of offsets. Tasks of
// different partitions run at the same time: a function guards the data that it shares between them.
package stream
