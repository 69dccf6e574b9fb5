package saramabroker_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	"github.com/weirstreams/weir/internal/kafkatest"
)

// step is a piece of a scenario: records for partitions, and how the transaction that they are in ends, if there are
// transactions.
type step struct {
	records map[int32][]broker.Record
	abort   bool
}

const differentialPartitions = 3

// scenario makes records of every kind.
func scenario(seed uint64) []step {
	random := rand.New(rand.NewPCG(seed, 3))
	blob := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte('a' + random.IntN(4)) // that can be compressed
		}
		return b
	}
	maybe := func(n int) []byte {
		switch random.IntN(5) {
		case 0:
			return nil
		case 1:
			return []byte{}
		}
		return blob(random.IntN(n))
	}
	var steps []step
	for i := range 8 {
		s := step{records: make(map[int32][]broker.Record), abort: i%3 == 1}
		for partition := range int32(differentialPartitions) {
			for range random.IntN(60) {
				r := broker.Record{Key: maybe(20), Value: maybe(200), Millis: brokertest.Now - random.Int64N(3_600_000)}
				for range random.IntN(3) {
					r.Headers = append(r.Headers, weir.Header{Key: string(blob(random.IntN(5))), Value: maybe(10)})
				}
				s.records[partition] = append(s.records[partition], r)
			}
		}
		if i == 5 {
			s.records[0] = append(s.records[0], broker.Record{Key: []byte("big"), Value: blob(900_000), Millis: brokertest.Now})
			s.records[0] = append(s.records[0], broker.Record{Key: []byte("after"), Millis: brokertest.Now})
		}
		steps = append(steps, s)
	}
	return steps
}

// written is a record or a control record as it lies in the log, with what its batch says of it.
type written struct {
	Offset        int64
	Key, Value    []byte
	Headers       []weir.Header
	Millis        int64
	Codec         sarama.CompressionCodec
	Transactional bool
	Control       bool
	Idempotent    bool
	LogAppendTime bool
}

// What this package and the client's own producers write is the same on the broker, and what this package's fetcher
// and the client's consumer group read of either is the same as well.
func TestProducersAndConsumersAgreeWithTheClients(t *testing.T) {
	k, c := brokertest.Start(t)
	for _, compression := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		for _, transactional := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, transactional %t", compression, transactional), func(t *testing.T) {
				steps := scenario(uint64(len(compression)))
				ours, theirs := k.Topic(t, "ours", differentialPartitions), k.Topic(t, "theirs", differentialPartitions)
				ourGroup, theirGroup := k.Name("ours"), k.Name("theirs")
				writeOurs(t, k, c, ours, ourGroup, compression, transactional, steps)
				writeTheirs(t, k, theirs, theirGroup, compression, transactional, steps)
				awaitMarkers(t, c, ours, theirs)
				checkBatches(t, k, ours, transactional)
				if transactional {
					checkOffsets(t, c, theirGroup, theirs, steps)
					checkOffsets(t, c, ourGroup, ours, steps)
				}
				want := make(map[int32][]broker.Record)
				for _, s := range steps {
					for partition, records := range s.records {
						if !transactional || !s.abort {
							want[partition] = append(want[partition], records...)
						}
					}
				}
				for partition := range int32(differentialPartitions) {
					if diff := differ(logOf(t, k, theirs, partition), logOf(t, k, ours, partition)); diff != "" {
						t.Fatalf("partition %d, theirs and ours: %s", partition, diff)
					}
				}
				for _, topic := range []string{ours, theirs} {
					if diff := differ(want, readOurs(t, c, topic)); diff != "" {
						t.Errorf("read %s by the fetcher: %s", topic, diff)
					}
					if diff := differ(want, readTheirs(t, k, topic, want)); diff != "" {
						t.Errorf("read %s by the client: %s", topic, diff)
					}
				}
			})
		}
	}
}

// differ is cmp.Diff, which takes long for equal records and minutes for large values.
func differ(want, got any) string {
	if reflect.DeepEqual(want, got) {
		return ""
	}
	return cmp.Diff(want, got, cmp.FilterValues(func(a, b []byte) bool { return max(len(a), len(b)) > 1000 },
		cmp.Transformer("digest", func(b []byte) string { return fmt.Sprintf("%d bytes, %x", len(b), sha256.Sum256(b)) })))
}

func writeOurs(t *testing.T, k *kafkatest.Kafka, c broker.Cluster, topic, group, compression string, transactional bool, steps []step) {
	t.Helper()
	cfg := broker.ProducerConfig{Compression: compression}
	if transactional {
		cfg.TransactionalID = k.Name("ours")
	}
	p := brokertest.NewProducer(t, c, cfg)
	for i, s := range steps {
		for _, partition := range slices.Sorted(maps.Keys(s.records)) {
			if err := p.Send(brokertest.Within(t), broker.TopicPartition{Topic: topic, Partition: partition}, s.records[partition]); err != nil {
				t.Fatal(err)
			}
		}
		end := p.Flush
		if transactional {
			tp, offset := offsetOf(topic, i)
			end = func(ctx context.Context) error {
				return p.Commit(ctx, broker.GroupMember{Group: group, Generation: -1}, map[broker.TopicPartition]int64{tp: offset}, nil)
			}
			if s.abort { // what is aborted lies in the log if it was written before
				if err := p.Flush(brokertest.Within(t)); err != nil {
					t.Fatal(err)
				}
				end = p.Abort
			}
		}
		if err := end(brokertest.Within(t)); err != nil {
			t.Fatal(err)
		}
	}
}

func writeTheirs(t *testing.T, k *kafkatest.Kafka, topic, group, compression string, transactional bool, steps []step) {
	t.Helper()
	conf := sarama.NewConfig()
	conf.Version = sarama.V3_6_0_0
	conf.Producer.Idempotent = true
	conf.Producer.RequiredAcks = sarama.WaitForAll
	conf.Net.MaxOpenRequests = 1
	conf.Producer.Return.Successes = true
	conf.Producer.Partitioner = sarama.NewManualPartitioner
	if err := conf.Producer.Compression.UnmarshalText([]byte(compression)); err != nil {
		t.Fatal(err)
	}
	if transactional {
		conf.Producer.Transaction.ID = k.Name("theirs")
	}
	p, err := sarama.NewAsyncProducer(k.Brokers, conf)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, s := range steps {
		if transactional {
			must(p.BeginTxn())
			tp, offset := offsetOf(topic, i)
			must(p.AddOffsetsToTxn(map[string][]*sarama.PartitionOffsetMetadata{
				topic: {{Partition: tp.Partition, Offset: offset, LeaderEpoch: -1}},
			}, group))
		}
		n := 0
		for _, records := range s.records {
			n += len(records)
		}
		go func() {
			for _, partition := range slices.Sorted(maps.Keys(s.records)) {
				for _, r := range s.records[partition] {
					m := &sarama.ProducerMessage{Topic: topic, Partition: partition, Timestamp: time.UnixMilli(r.Millis)}
					if r.Key != nil {
						m.Key = sarama.ByteEncoder(r.Key)
					}
					if r.Value != nil {
						m.Value = sarama.ByteEncoder(r.Value)
					}
					for _, h := range r.Headers {
						m.Headers = append(m.Headers, sarama.RecordHeader{Key: []byte(h.Key), Value: h.Value})
					}
					p.Input() <- m
				}
			}
		}()
		for range n {
			select {
			case <-p.Successes():
			case err := <-p.Errors():
				t.Fatal(err)
			}
		}
		if transactional && s.abort {
			must(p.AbortTxn())
		} else if transactional {
			must(p.CommitTxn())
		}
	}
}

// offsetOf is what a step commits of a group's offsets if it is a transaction.
func offsetOf(topic string, step int) (broker.TopicPartition, int64) {
	return broker.TopicPartition{Topic: topic, Partition: int32(step % 2)}, int64(100 + step)
}

// checkOffsets checks what is committed in a group: the offsets of the transactions that were committed.
func checkOffsets(t *testing.T, c broker.Cluster, group, topic string, steps []step) {
	t.Helper()
	want := make(map[broker.TopicPartition]int64)
	for i, s := range steps {
		if tp, offset := offsetOf(topic, i); !s.abort {
			want[tp] = offset
		}
	}
	got, err := c.CommittedOffsets(brokertest.Within(t), group, slices.Collect(maps.Keys(want))...)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("offsets of %s: %v, %s", group, err, diff)
	}
}

// checkBatches checks the headers of the batches of a producer as they lie in the log: checksums, one ID
// and epoch, and sequences without a gap. Nothing is dropped or lost here that a new epoch would be for.
func checkBatches(t *testing.T, k *kafkatest.Kafka, topic string, transactional bool) {
	t.Helper()
	for partition := range int32(differentialPartitions) {
		id, epoch, next := int64(-1), int16(0), int32(0)
		for _, raw := range rawBatches(t, k, topic, partition) {
			var b kmsg.RecordBatch
			if err := b.ReadFrom(raw); err != nil {
				t.Fatal(err)
			}
			const transactionalBit, controlBit, crcEnd = 1 << 4, 1 << 5, 21 // the checksum is of what follows it
			if sum := crc32.Checksum(raw[crcEnd:], crc32.MakeTable(crc32.Castagnoli)); uint32(b.CRC) != sum {
				t.Errorf("partition %d, offset %d: checksum %x, want %x", partition, b.FirstOffset, uint32(b.CRC), sum)
			}
			if id < 0 {
				id, epoch = b.ProducerID, b.ProducerEpoch
			}
			got := []int64{b.ProducerID, int64(b.ProducerEpoch), int64(b.FirstSequence)}
			want := []int64{id, int64(epoch), int64(next)}
			if b.Attributes&controlBit != 0 {
				want[2] = -1
			} else {
				next += b.NumRecords
			}
			if !slices.Equal(got, want) || b.ProducerID < 0 || b.Attributes&transactionalBit != 0 != transactional {
				t.Errorf("partition %d, offset %d: ID, epoch and sequence are %d, want %d; attributes %#x", partition, b.FirstOffset, got, want, b.Attributes)
			}
		}
	}
}

// rawBatches returns the batches of a partition as the broker sends them.
func rawBatches(t *testing.T, k *kafkatest.Kafka, topic string, partition int32) (batches [][]byte) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(k.Brokers...), kgo.MaxVersions(kversion.V2_3_0())) // which knows topics by their names
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	request := kmsg.NewPtrFetchRequest()
	request.MaxBytes, request.SessionEpoch = 16<<20, -1
	request.Topics = []kmsg.FetchRequestTopic{{
		Topic: topic, Partitions: []kmsg.FetchRequestTopicPartition{{Partition: partition, CurrentLeaderEpoch: -1, PartitionMaxBytes: 16 << 20}},
	}}
	response, err := client.SeedBrokers()[0].Request(brokertest.Within(t), request)
	if err != nil {
		t.Fatal(err)
	}
	result := response.(*kmsg.FetchResponse).Topics[0].Partitions[0]
	end := int64(0)
	for set := result.RecordBatches; len(set) > 0; {
		size := 12 + int(binary.BigEndian.Uint32(set[8:]))
		batches = append(batches, set[:size])
		end = int64(binary.BigEndian.Uint64(set)) + int64(binary.BigEndian.Uint32(set[23:])) + 1
		set = set[size:]
	}
	if end != result.HighWatermark {
		t.Fatalf("got batches to offset %d, want %d: code %d", end, result.HighWatermark, result.ErrorCode)
	}
	return batches
}

// awaitMarkers waits until the partitions have heard how their last transactions ended. Brokers tell them after the
// producer.
func awaitMarkers(t *testing.T, c broker.Cluster, topics ...string) {
	t.Helper()
	for _, topic := range topics {
		for partition := range int32(differentialPartitions) {
			tp := broker.TopicPartition{Topic: topic, Partition: partition}
			for ctx := brokertest.Within(t); ; {
				ends, err := c.Offsets(ctx, broker.End, tp)
				latest, latestErr := c.Offsets(ctx, broker.Latest, tp)
				if err := errors.Join(err, latestErr); err != nil {
					t.Fatal(err)
				}
				if ends[tp] == latest[tp] {
					break
				}
			}
		}
	}
}

// logOf reads everything that lies in a partition.
func logOf(t *testing.T, k *kafkatest.Kafka, topic string, partition int32) []written {
	t.Helper()
	conf := sarama.NewConfig()
	conf.Version = sarama.V3_6_0_0
	client, err := sarama.NewClient(k.Brokers, conf)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	leader, err := client.Leader(topic, partition)
	if err != nil {
		t.Fatal(err)
	}
	end, err := client.GetOffset(topic, partition, sarama.OffsetNewest)
	if err != nil {
		t.Fatal(err)
	}
	var log []written
	for next := int64(0); next < end; {
		request := &sarama.FetchRequest{Version: 11, MinBytes: 1, MaxWaitTime: 100, MaxBytes: 16 << 20, SessionEpoch: -1}
		request.AddBlock(topic, partition, next, 4<<20, -1)
		response, err := leader.Fetch(request)
		if err != nil {
			t.Fatal(err)
		}
		for _, set := range response.GetBlock(topic, partition).RecordsSet {
			b := set.RecordBatch
			if b.FirstOffset < next {
				continue
			}
			for _, r := range b.Records {
				w := written{
					Offset: b.FirstOffset + r.OffsetDelta, Key: r.Key, Value: r.Value, Codec: b.Codec,
					Millis:        b.FirstTimestamp.Add(r.TimestampDelta).UnixMilli(),
					Transactional: b.IsTransactional, Control: b.Control, Idempotent: b.ProducerID >= 0, LogAppendTime: b.LogAppendTime,
				}
				for _, h := range r.Headers {
					w.Headers = append(w.Headers, weir.Header{Key: string(h.Key), Value: h.Value})
				}
				if b.Control { // its time and coordinator are the broker's
					w.Millis, w.Value = 0, nil
				}
				log = append(log, w)
			}
			next = b.LastOffset() + 1
		}
	}
	return log
}

func readOurs(t *testing.T, c broker.Cluster, topic string) map[int32][]broker.Record {
	t.Helper()
	got := make(map[int32][]broker.Record)
	f := brokertest.NewFetcher(t, c, broker.FetcherConfig{})
	for partition := range int32(differentialPartitions) {
		tp := broker.TopicPartition{Topic: topic, Partition: partition}
		latest, err := c.Offsets(brokertest.Within(t), broker.Latest, tp)
		if err != nil {
			t.Fatal(err)
		}
		f.Start(tp, 0)
		for next := int64(0); next < latest[tp]; {
			batch := brokertest.Poll(t, f)
			for _, r := range batch.Records {
				r.Offset = 0
				got[partition] = append(got[partition], r)
			}
			next = batch.NextOffset
		}
		f.Stop(tp)
	}
	return got
}

// readTheirs reads as many records as are wanted by a consumer group of the client.
func readTheirs(t *testing.T, k *kafkatest.Kafka, topic string, want map[int32][]broker.Record) map[int32][]broker.Record {
	t.Helper()
	conf := sarama.NewConfig()
	conf.Version = sarama.V3_6_0_0
	conf.Consumer.IsolationLevel = sarama.ReadCommitted
	conf.Consumer.Offsets.Initial = sarama.OffsetOldest
	conf.Consumer.Offsets.AutoCommit.Enable = false
	conf.Consumer.MaxWaitTime = 100 * time.Millisecond
	conf.Consumer.Fetch.Default = 4 << 20
	member, err := sarama.NewConsumerGroup(k.Brokers, k.Name("differential"), conf)
	if err != nil {
		t.Fatal(err)
	}
	defer member.Close()
	ctx, cancel := context.WithCancel(brokertest.Within(t))
	defer cancel()
	left := 0
	for _, records := range want {
		left += len(records)
	}
	reader := &groupReader{messages: make(chan *sarama.ConsumerMessage)}
	ended := make(chan error, 1)
	go func() { ended <- member.Consume(ctx, []string{topic}, reader) }()
	got := make(map[int32][]broker.Record)
	for ; left > 0; left-- {
		select {
		case m := <-reader.messages:
			r := broker.Record{Key: m.Key, Value: m.Value, Millis: m.Timestamp.UnixMilli()}
			for _, h := range m.Headers {
				r.Headers = append(r.Headers, weir.Header{Key: string(h.Key), Value: bytes.Clone(h.Value)})
			}
			got[m.Partition] = append(got[m.Partition], r)
		case err := <-ended:
			t.Fatalf("the consumer group ended: %v", err)
		}
	}
	cancel()
	<-ended
	return got
}

type groupReader struct{ messages chan *sarama.ConsumerMessage }

func (*groupReader) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (*groupReader) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (g *groupReader) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for m := range claim.Messages() {
		select {
		case g.messages <- m:
		case <-session.Context().Done():
			return nil
		}
	}
	return nil
}
