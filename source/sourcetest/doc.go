// Package sourcetest checks that a source keeps the promises of package source: on its real system, from every position.
//
//	func TestTheSourceKeepsItsPromises(t *testing.T) {
//		sourcetest.Run(t, sourcetest.System[*string, *string]{
//			New:     func(tb testing.TB, place string) source.Source[*string, *string] { return rows.New(address, place) },
//			Fill:    func(tb testing.TB, place string, items []sourcetest.Item) { insert(tb, address, place, items) },
//			Item:    func(r weir.Record[*string, *string]) sourcetest.Item { return sourcetest.OfPointers(r.Key, r.Value) },
//			Bounded: true,
//		})
//	}
//
// The kit plays the runtime: it makes processes that connect, look for splits, read them, acknowledge positions and die, and compares the
// records with those that it has put into the system. It must not run beside other tests of its package, as it counts goroutines.
//
// Optional fields of [System] say what the system can do besides. A case that needs a field which is not set is skipped, and the log
// of the test says so.
package sourcetest
