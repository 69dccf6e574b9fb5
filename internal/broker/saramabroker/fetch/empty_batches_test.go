package fetch_test

import (
	"testing"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
)

func TestABatchThatCompactionEmptiedMovesThePosition(t *testing.T) {
	// Kafka keeps the last batch of a producer without its records, for the sequence number. Kfake does not.
	empty := func(first int64, delta int32) *sarama.Records {
		return &sarama.Records{RecordBatch: &sarama.RecordBatch{Version: 2, FirstOffset: first, LastOffsetDelta: delta}}
	}
	full := &sarama.Records{RecordBatch: &sarama.RecordBatch{
		Version: 2, FirstOffset: 30, LastOffsetDelta: 4,
		Records: []*sarama.Record{{OffsetDelta: 1, Value: []byte("31")}, {OffsetDelta: 3, Value: []byte("33")}},
	}}
	response := func(records ...*sarama.Records) *sarama.FetchResponse {
		block := &sarama.FetchResponseBlock{HighWaterMarkOffset: 40, LastStableOffset: 40, RecordsSet: records}
		return &sarama.FetchResponse{Version: 12, Blocks: map[string]map[int32]*sarama.FetchResponseBlock{"t": {0: block}}}
	}
	fetches := sarama.NewMockSequence(
		response(empty(0, 9)), response(), response(empty(10, 9), empty(20, 9)), response(full, empty(35, 4)), response())

	mock := sarama.NewMockBroker(t, 1)
	defer mock.Close()
	mock.SetHandlerByMap(map[string]sarama.MockResponse{
		"ApiVersionsRequest": sarama.NewMockApiVersionsResponse(t).SetApiKeys([]sarama.ApiVersionsResponseKey{
			{ApiKey: 1, MaxVersion: 12}, {ApiKey: 3, MaxVersion: 5}, {ApiKey: 18, MaxVersion: 3},
		}),
		"MetadataRequest": sarama.NewMockMetadataResponse(t).SetBroker(mock.Addr(), 1).SetLeader("t", 0, 1),
		"FetchRequest":    fetches,
	})
	c, err := saramabroker.Open(t.Context(), saramabroker.Config{Brokers: []string{mock.Addr()}, Logger: brokertest.Logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	f := brokertest.NewFetcher(t, c, broker.FetcherConfig{})
	f.Start(broker.TopicPartition{Topic: "t"}, 0)
	var got []int64
	for _, want := range []int64{10, 30, 40} {
		batch := brokertest.Poll(t, f)
		if batch.NextOffset != want {
			t.Errorf("position is %d, want %d", batch.NextOffset, want)
		}
		for _, r := range batch.Records {
			got = append(got, r.Offset)
		}
		batch.Release()
	}
	if len(got) != 2 || got[0] != 31 || got[1] != 33 {
		t.Errorf("got records %v, want 31 and 33", got)
	}
	f.Close()
}
