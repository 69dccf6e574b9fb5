package offsets

import "github.com/weirstreams/weir/internal/broker"

// Place is the place of a record.
type Place struct {
	broker.TopicPartition
	Offset int64
}
