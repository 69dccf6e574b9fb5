package wire

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstreams/weir/internal/broker"
)

// epochEndsResponse returns a response as it comes behind its size.
func epochEndsResponse(correlation int32, ends map[broker.TopicPartition]EpochEnd) []byte {
	r := &kmsg.OffsetForLeaderEpochResponse{Version: EpochEndsVersion, ThrottleMillis: 9}
	for tp, end := range ends {
		r.Topics = append(r.Topics, kmsg.OffsetForLeaderEpochResponseTopic{
			Topic: tp.Topic, Partitions: []kmsg.OffsetForLeaderEpochResponseTopicPartition{
				{ErrorCode: int16(end.Code), Partition: tp.Partition, LeaderEpoch: end.Epoch, EndOffset: end.Offset},
			},
		})
	}
	return r.AppendTo(binary.BigEndian.AppendUint32(nil, uint32(correlation)))
}

func TestTheEndsOfLeaderEpochsAreAskedForAsKafkaExpects(t *testing.T) {
	queries := map[broker.TopicPartition]EpochQuery{
		{Topic: "a", Partition: 0}: {Current: 7, Epoch: 5}, {Topic: "a", Partition: 3}: {Current: 1, Epoch: 0}, {Topic: "b", Partition: 1}: {Current: 2, Epoch: 2},
	}
	want := map[broker.TopicPartition]EpochEnd{
		{Topic: "a", Partition: 0}: {Epoch: 4, Offset: 1 << 40}, {Topic: "a", Partition: 3}: {Epoch: -1, Offset: -1, Code: 74}, {Topic: "b", Partition: 1}: {Epoch: 2, Offset: 0},
	}
	client, server := net.Pipe()
	defer client.Close()
	done := make(chan error, 1)
	go func() {
		defer server.Close()
		size := make([]byte, 4)
		if _, err := io.ReadFull(server, size); err != nil {
			done <- err
			return
		}
		frame := make([]byte, binary.BigEndian.Uint32(size))
		if _, err := io.ReadFull(server, frame); err != nil {
			done <- err
			return
		}
		response := epochEndsResponse(epochEndsCorrelation, want)
		_, err := server.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(response))), response...))
		header := []byte{0, EpochEndsKey, 0, EpochEndsVersion, 0x40, 0, 0, 0, 0, 4, 'w', 'e', 'i', 'r'}
		body, ok := bytes.CutPrefix(frame, header)
		got := map[broker.TopicPartition]EpochQuery{}
		request := &kmsg.OffsetForLeaderEpochRequest{Version: EpochEndsVersion}
		if parsed := request.ReadFrom(body); !ok || parsed != nil || request.ReplicaID != -1 {
			t.Errorf("request %x: %v, replica %d", frame, parsed, request.ReplicaID)
		}
		for _, topic := range request.Topics {
			for _, p := range topic.Partitions {
				got[broker.TopicPartition{Topic: topic.Topic, Partition: p.Partition}] = EpochQuery{p.CurrentLeaderEpoch, p.LeaderEpoch}
			}
		}
		if diff := cmp.Diff(queries, got); diff != "" {
			t.Error(diff)
		}
		done <- err
	}()
	got, err := NewTap(client, time.Minute).EpochEnds("weir", queries)
	if served := <-done; served != nil || err != nil {
		t.Fatal(served, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestABrokenResponseAboutLeaderEpochsIsAnError(t *testing.T) {
	whole := epochEndsResponse(epochEndsCorrelation, map[broker.TopicPartition]EpochEnd{{Topic: "topic"}: {Epoch: 1, Offset: 2}})
	for n := range whole {
		if ends, err := decodeEpochEnds(whole[:n]); err == nil {
			t.Errorf("%d of %d bytes give %v", n, len(whole), ends)
		}
	}
	if _, err := decodeEpochEnds(epochEndsResponse(3, nil)); err == nil {
		t.Error("the response to another request is taken")
	}
	negative := bytes.Clone(whole)
	binary.BigEndian.PutUint16(negative[12:], 0x8000) // the length of the topic
	if _, err := decodeEpochEnds(negative); err == nil {
		t.Error("a topic of negative length is taken")
	}
}
