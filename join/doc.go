// Package join says how streams are joined. Streams themselves are joined by the methods of stream.Stream:
//
//	priced := trades.JoinAsOf(quotes, join.AsOf{}.Grace(time.Hour), func(t Trade, q Quote) Priced {
//		return Priced{t, q.Mid()}
//	})
//
// Records are matched by their message key. Both sides have to be partitioned alike: topics with the same number of
// partitions, and producers that choose the partition of a key in the same way. To join by another value, group the streams
// by it first, or join a stream.GlobalTable, which needs neither. Records with a null key are skipped and counted.
//
// A task reads both sides in the order of their timestamps, as far as records are there (see
// runtime.Config.Buffers.MaxRecords), so that a replay gives the results of the live run.
package join
