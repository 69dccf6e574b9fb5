package source

import (
	"time"

	"github.com/weirstreams/weir"
)

// Options are the settings of a source in a topology. The zero value is right for most.
type Options struct {
	// Name names the source in errors, logs and the status, and is part of the names of its internal topics: under another name it begins
	// from the start. Empty means the name of its topic.
	Name string
	// Slots is the number of parts that the group shares among its members, each with some of the splits. It stays the same for the life
	// of the application: a split belongs to the slot that the hash of its ID, or Affinity, gives. 0 means 8, or less if the source
	// is Slotted and knows better.
	Slots int32
	// OpenSplits is how many splits of a slot are read at the same time; the others wait until one is at its end. 1 reads them one after
	// the other. 0 means 64.
	OpenSplits int
	// QueueRecords and QueueBytes bound the records of one split that were read and not written yet. A batch more may be held. 0
	// means 10,000 records, and 8 MiB of Batch.Bytes.
	QueueRecords int
	QueueBytes   int64
	// RecordsPerSecond is how many records the source reads per second, over all slots, which have equal shares. 0 means any number.
	RecordsPerSecond float64
	// Retry says how often Splits, Open and Read are tried again. The zero value means 5 attempts, unless the source is Retrying and knows better.
	Retry weir.Retry
	// LookInterval is how often the source is asked for new splits. 0 means 30 s, less than 0 only at the start.
	LookInterval time.Duration
	// CloseTimeout is how long the readers of a slot may take to end, in a stop or when the slot goes to another member. A reader that
	// takes longer is left behind. 0 means 10 s.
	CloseTimeout time.Duration
}
