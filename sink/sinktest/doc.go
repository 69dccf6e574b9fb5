// Package sinktest checks that a sink keeps the promises of package sink: on its real target, through crashes.
//
//	func TestTheSinkKeepsItsPromises(t *testing.T) {
//		sinktest.Run(t, sinktest.Target[*string, *string]{
//			New:    func(tb testing.TB, place string) sink.Sink[*string, *string] { return rows.New(address, place) },
//			Record: func(i sinktest.Item) (key, value *string) { return i.Pointers() },
//			Read:   func(tb testing.TB, place string) []sinktest.Item { return selectAll(tb, address, place) },
//		})
//	}
//
// The kit plays the runtime: it makes processes that connect, add records, make checkpoints and die at every point between two calls, and
// reads back the visible records. A plain sink ([sink.Sink]) must lose nothing, and may repeat records after a crash only. A sink in two
// phases ([sink.TwoPhase]) must show each record of a committed checkpoint once, and nothing else.
//
// Some cases add more records than a call of most sinks takes, so that a sink which writes before the checkpoint has work in flight when
// records are discarded, when the task ends, and when the target refuses a record or pushes back.
//
// Optional fields of [Target] name further abilities of the target: refuse records, push back, fail. A case that needs a field which is
// not set is skipped, and the log of the test says so.
package sinktest
