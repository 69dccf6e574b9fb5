// Package query reads the stores of a running application: rows of one key, ranges and whole stores, by the handles that the
// topology declares.
//
// A [Store] says how the rows of a store are encoded: [Cells], [Maps], [Versions], [Rows] and [Windows] make one. A [Source] answers: [Local] reads
// the partitions that an App has itself, a [Service] also those of the other members of its group, and a [Client] those of a group that the
// program is no part of. [Get], [Field], [Fields], [Scan] and [All] ask.
//
// A read shows the state of a partition as of its last checkpoint, whole: nothing of it is undone by a crash or a rewind. It reads the database,
// not the memory of the worker, and keeps no worker waiting. The page docs/queries.md says more.
package query
