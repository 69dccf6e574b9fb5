package sim

import (
	"fmt"

	"github.com/weirstreams/weir/internal/broker"
)

// purge deletes records of repartition topics, as workers ask for, and keeps them for the model.
func (w *world) purge(before map[broker.TopicPartition]int64) {
	for tp, offset := range before {
		for _, r := range w.broker.Read(tp, w.uncut(tp)) {
			if r.Offset < offset {
				w.purged[tp] = append(w.purged[tp], r)
			}
		}
		if err := w.broker.DeleteRecords(tp, offset); err != nil {
			w.failf("purge %s before %d: %v", tp, offset, err)
		}
	}
}

// readAll returns all committed records that a partition has ever held.
func (w *world) readAll(tp broker.TopicPartition) []broker.Record {
	records := w.broker.Read(tp, w.uncut(tp))
	if purged := w.purged[tp]; len(purged) > 0 {
		if len(records) > 0 && records[0].Offset <= purged[len(purged)-1].Offset {
			panic(fmt.Sprintf("%s: purged records are still there", tp))
		}
		records = append(purged[:len(purged):len(purged)], records...)
	}
	if gone := w.losing.gone[tp]; len(gone) > 0 {
		records = append(gone[:len(gone):len(gone)], records...)
	}
	return records
}
