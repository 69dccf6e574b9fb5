package conn

import (
	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
)

// Offset is the answer about a partition: an offset, or the error that stands in its place.
type Offset struct {
	Offset int64
	Err    error
}

// ListOffsets asks a broker for offsets of partitions that it leads.
func ListOffsets(b *sarama.Broker, at broker.OffsetAt, tps []broker.TopicPartition) (map[broker.TopicPartition]Offset, error) {
	request := sarama.NewOffsetRequest(Version)
	time := sarama.OffsetNewest
	switch at {
	case broker.Earliest:
		time = sarama.OffsetOldest
	case broker.End:
		request.IsolationLevel = sarama.ReadCommitted // with which "newest" means the last stable offset
	case broker.Latest:
	}
	return listOffsets(b, request, time, tps)
}

// ListOffsetsAtTime asks a broker for the first offsets of partitions whose records have that time, in Unix milliseconds, or a later one. They are
// -1 where there is no such record.
func ListOffsetsAtTime(b *sarama.Broker, millis int64, tps []broker.TopicPartition) (map[broker.TopicPartition]Offset, error) {
	return listOffsets(b, sarama.NewOffsetRequest(Version), millis, tps)
}

func listOffsets(b *sarama.Broker, request *sarama.OffsetRequest, time int64, tps []broker.TopicPartition) (map[broker.TopicPartition]Offset, error) {
	for _, tp := range tps {
		request.AddBlock(tp.Topic, tp.Partition, time, 1)
	}
	response, err := b.GetAvailableOffsets(request)
	if err != nil {
		return nil, err
	}
	found := make(map[broker.TopicPartition]Offset, len(tps))
	for _, tp := range tps {
		switch block := response.GetBlock(tp.Topic, tp.Partition); {
		case block == nil:
			found[tp] = Offset{Err: sarama.ErrLeaderNotAvailable}
		case block.Err != sarama.ErrNoError:
			found[tp] = Offset{Err: block.Err}
		default:
			found[tp] = Offset{Offset: block.Offset}
		}
	}
	return found, nil
}
