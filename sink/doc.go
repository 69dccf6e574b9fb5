// Package sink is how records leave for somewhere outside of Kafka: a database, a file, a service.
//
//	t.From(Orders).Sink("orders table", sink.Batch(func(ctx context.Context, orders []weir.Record[string, Order]) error {
//		return insert(ctx, db, orders)
//	}, sink.BatchOptions{}))
//
// Records in a sink count with the checkpoint: each task has a [Writer] of its own, which is flushed before the
// offsets of its records are committed. After a crash in between, records are written again. So delivery to a plain [Sink] is at
// least once with either guarantee of the runtime, and a target that takes the same record twice without harm (an upsert, a
// file that is named after its offsets) makes it exactly once.
//
// A sink in two phases ([TwoPhase]) is exactly once if the application runs exactly once: it prepares the records of a checkpoint, and makes
// them visible when the checkpoint has committed. docs/sinks.md has the steps. Package sinktest checks sinks of both kinds.
//
// [Batch] makes a sink of a function that writes many records at once. A connector that needs more implements [Sink].
package sink
