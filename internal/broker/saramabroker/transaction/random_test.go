package transaction_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/longtest"
)

// Requests get lost, or their answers, or they arrive late, in the middle of a later transaction: what is committed is what
// Commit said, in each partition, and the offsets go with it.
func TestTransactionsAreWholeWhateverBecomesOfRequests(t *testing.T) {
	longtest.Seeds(t, longtest.Cases(1, 3), func(t *testing.T, seed uint64) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { commitThroughDoubts(t, seed) })
	})
}

func commitThroughDoubts(t *testing.T, seed uint64) {
	const partitions, transactions = 3, 40
	random := rand.New(rand.NewPCG(seed, 0))
	k := kafkatest.Start(t)
	proxy := k.StartProxy(t)
	doubts := rand.New(rand.NewPCG(seed, 1))
	for _, key := range []kmsg.Key{kmsg.Produce, kmsg.AddPartitionsToTxn, kmsg.AddOffsetsToTxn, kmsg.TxnOffsetCommit, kmsg.EndTxn, kmsg.InitProducerID} {
		proxy.Doubt(key.Int16(), []float64{0, 0.1, 0.3}[random.IntN(3)], doubts)
	}
	detour, err := saramabroker.Open(t.Context(), saramabroker.Config{Brokers: k.Brokers, Logger: brokertest.Logger(t), Tune: proxy.Detour().Take})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { detour.Close() })
	direct := brokertest.Open(t, k)
	group := broker.GroupMember{Group: k.Name("doubts"), Generation: -1}
	config := broker.ProducerConfig{TransactionalID: k.Name("doubts"), Group: group.Group}
	input := broker.TopicPartition{Topic: k.Topic(t, "input", 1)}
	topic := k.Topic(t, "doubts", partitions)
	p := brokertest.NewProducer(t, detour, config)
	want := make([][]string, partitions)
	var wantOffset, ended, aborted, undecided int
	for n := 1; n <= transactions; n++ {
		sent := make([][]string, partitions)
		err := error(nil)
		for range 1 + random.IntN(4) {
			i := random.IntN(partitions)
			value := fmt.Sprintf("%d.%d", n, len(sent[i]))
			tp := broker.TopicPartition{Topic: topic, Partition: int32(i)}
			if err = p.Send(brokertest.Within(t), tp, []broker.Record{{Value: []byte(value), Millis: brokertest.Now}}); err != nil {
				break
			}
			sent[i] = append(sent[i], value)
			if random.IntN(3) == 0 { // some batches are full, and some go as they are
				pause := time.After(time.Duration(random.IntN(20)) * time.Millisecond)
				<-pause
			}
		}
		commit := random.IntN(5) > 0
		if err == nil && commit {
			err = p.Commit(brokertest.Within(t), group, map[broker.TopicPartition]int64{input: int64(n)}, nil)
		}
		committed := err == nil && commit
		switch {
		case committed:
		case err == nil, errors.Is(err, broker.ErrAborted):
			aborted++
			err = p.Abort(brokertest.Within(t))
		case errors.Is(err, broker.ErrUndecided):
			undecided++
		}
		if err != nil { // whatever it is, another producer ends the transaction
			ended++
			p.Close()
			p = brokertest.NewProducer(t, detour, config)
			if err := p.Commit(brokertest.Within(t), group, nil, nil); err != nil { // waits until it has its epoch
				t.Fatal(err)
			}
			offsets, err := direct.CommittedOffsets(brokertest.Within(t), group.Group, input)
			if err != nil {
				t.Fatal(err)
			}
			committed = offsets[input] == int64(n)
		}
		if committed {
			wantOffset = n
			for i := range want {
				want[i] = append(want[i], sent[i]...)
			}
		}
	}
	t.Logf("%d requests in doubt; of %d transactions %d were aborted, %d undecided, %d took another producer",
		proxy.Cuts(), transactions, aborted, undecided, ended)
	offsets, err := direct.CommittedOffsets(brokertest.Within(t), group.Group, input)
	if err != nil || offsets[input] != int64(wantOffset) {
		t.Errorf("the offset is %d, want %d: %v", offsets[input], wantOffset, err)
	}
	proxy.AwaitLate()
	last := brokertest.NewProducer(t, direct, config)
	f := brokertest.NewFetcher(t, direct, broker.FetcherConfig{})
	for i := range want {
		tp := broker.TopicPartition{Topic: topic, Partition: int32(i)}
		brokertest.Send(t, last, tp, broker.Record{Value: []byte("end"), Millis: brokertest.Now})
	}
	if err := last.Commit(brokertest.Within(t), group, nil, nil); err != nil {
		t.Fatal(err)
	}
	for i := range want {
		tp := broker.TopicPartition{Topic: topic, Partition: int32(i)}
		f.Start(tp, 0)
		var got []string
		for len(got) == 0 || got[len(got)-1] != "end" {
			b := brokertest.Poll(t, f)
			got = append(got, brokertest.Values(b.Records)...)
			b.Release()
		}
		f.Stop(tp)
		if diff := cmp.Diff(append(want[i], "end"), got); diff != "" {
			t.Errorf("partition %d: %s", i, diff)
		}
	}
}
