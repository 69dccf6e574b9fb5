package fetch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	"github.com/weirstreams/weir/internal/kafkatest"
)

// transactions writes to one partition in transactions.
type transactions struct {
	sarama.AsyncProducer
	t  testing.TB
	tp broker.TopicPartition
}

func newTransactions(t testing.TB, k *kafkatest.Kafka, tp broker.TopicPartition) transactions {
	t.Helper()
	conf := sarama.NewConfig()
	conf.Version = sarama.V3_6_0_0
	conf.Producer.Idempotent = true
	conf.Producer.RequiredAcks = sarama.WaitForAll
	conf.Net.MaxOpenRequests = 1
	conf.Producer.Transaction.ID = k.Name("tx")
	conf.Producer.Partitioner = sarama.NewManualPartitioner
	p, err := sarama.NewAsyncProducer(k.Brokers, conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return transactions{AsyncProducer: p, t: t, tp: tp}
}

// begin writes numbered records in a new transaction.
func (x transactions) begin(first, n int) {
	x.t.Helper()
	if err := x.BeginTxn(); err != nil {
		x.t.Fatal(err)
	}
	for _, r := range brokertest.Numbered(first, n) {
		x.Input() <- &sarama.ProducerMessage{Topic: x.tp.Topic, Partition: x.tp.Partition, Value: sarama.ByteEncoder(r.Value)}
	}
}

func (x transactions) commit() {
	x.t.Helper()
	if err := x.CommitTxn(); err != nil {
		x.t.Fatal(err)
	}
}

func (x transactions) abort() {
	x.t.Helper()
	if err := x.AbortTxn(); err != nil {
		x.t.Fatal(err)
	}
}

func TestPositionsMovePastTransactionMarkersAndAbortedRecords(t *testing.T) {
	k, c := brokertest.Start(t)
	tp := broker.TopicPartition{Topic: k.Topic(t, "tx", 1)}
	f := brokertest.NewFetcher(t, c, broker.FetcherConfig{})
	f.Start(tp, 0)
	first := brokertest.Poll(t, f)
	if len(first.Records) != 0 || first.NextOffset != 0 || first.EndOffset != 0 {
		t.Fatalf("the first batch of an empty partition is %+v", first)
	}

	x := newTransactions(t, k, tp)
	x.begin(0, 3) // offsets 0, 1, 2
	x.commit()    // 3
	x.begin(100, 2)
	x.abort() // records at 4, 5, marker at 6
	if got := brokertest.ReadTo(t, f, tp, 7); len(got) != 3 {
		t.Errorf("got %v, want the three committed records", got)
	}
	x.begin(3, 2) // 7, 8
	x.commit()    // 9
	x.begin(200, 1)
	x.abort() // 10, 11
	brokertest.WantNumbers(t, brokertest.ReadTo(t, f, tp, 12), 3, 2)

	ends, err := c.Offsets(brokertest.Within(t), broker.End, tp)
	if err != nil || ends[tp] != 12 {
		t.Errorf("end offset is %v, %v, want 12", ends, err)
	}
	// Again, all of it at once.
	f.Start(tp, 0)
	brokertest.WantNumbers(t, brokertest.ReadTo(t, f, tp, 12), 0, 5)
	// And from the middle of a batch.
	f.Start(tp, 8)
	brokertest.WantNumbers(t, brokertest.ReadTo(t, f, tp, 12), 4, 1)
}

func TestRecordsOfAnOpenTransactionAreHeldBack(t *testing.T) {
	k, c := brokertest.Start(t)
	tp := broker.TopicPartition{Topic: k.Topic(t, "open", 1)}
	brokertest.Send(t, brokertest.NewProducer(t, c, broker.ProducerConfig{}), tp, brokertest.Numbered(0, 2)...)
	x := newTransactions(t, k, tp)
	x.begin(2, 2)
	brokertest.AwaitHighWatermark(t, k, tp, 4)
	watch := brokertest.NewFetcher(t, c, broker.FetcherConfig{})
	watch.Start(tp, 0)
	brokertest.WantNumbers(t, brokertest.ReadTo(t, watch, tp, 2), 0, 2)
	if ends, err := c.Offsets(brokertest.Within(t), broker.End, tp); err != nil || ends[tp] != 2 {
		t.Errorf("end offset is %v, %v, want 2", ends, err)
	}
	brokertest.Send(t, brokertest.NewProducer(t, c, broker.ProducerConfig{}), tp, brokertest.Numbered(4, 1)...)
	if batch, err := watch.Poll(brokertest.Within(t), 100*time.Millisecond); err != nil || batch != nil && len(batch.Records) > 0 {
		t.Errorf("got %+v, %v behind an open transaction", batch, err)
	}
	x.commit()
	brokertest.WantNumbers(t, brokertest.ReadTo(t, watch, tp, 6), 2, 3)
}

func TestStartMovesTheReaderAndStopEndsIt(t *testing.T) {
	k, c := brokertest.Start(t)
	topic := k.Topic(t, "seek", 2)
	zero, one := broker.TopicPartition{Topic: topic, Partition: 0}, broker.TopicPartition{Topic: topic, Partition: 1}
	p := brokertest.NewProducer(t, c, broker.ProducerConfig{})
	brokertest.Send(t, p, zero, brokertest.Numbered(0, 100)...)
	brokertest.Send(t, p, one, brokertest.Numbered(0, 100)...)

	f := brokertest.NewFetcher(t, c, broker.FetcherConfig{MaxWait: 20 * time.Millisecond})
	for _, offset := range []int64{0, 50, 99, 10} {
		f.Start(zero, offset)
		batch := brokertest.Poll(t, f)
		if batch.Records[0].Offset != offset {
			t.Fatalf("started at %d, got %d", offset, batch.Records[0].Offset)
		}
		batch.Release()
	}
	f.Start(zero, 0)
	f.Start(one, 0)
	f.Stop(zero)
	brokertest.WantNumbers(t, brokertest.ReadTo(t, f, one, 100), 0, 100)
	brokertest.Send(t, p, zero, brokertest.Numbered(0, 1)...)
	brokertest.Send(t, p, one, brokertest.Numbered(100, 1)...)
	brokertest.WantNumbers(t, brokertest.ReadTo(t, f, one, 101), 100, 1)
}

func TestAPausedPartitionKeepsItsPosition(t *testing.T) {
	k, c := brokertest.Start(t)
	topic := k.Topic(t, "pause", 2)
	zero, one := broker.TopicPartition{Topic: topic, Partition: 0}, broker.TopicPartition{Topic: topic, Partition: 1}
	p := brokertest.NewProducer(t, c, broker.ProducerConfig{})
	f := brokertest.NewFetcher(t, c, broker.FetcherConfig{MaxWait: 20 * time.Millisecond})
	f.Start(zero, 0)
	f.Start(one, 0)
	for range 2 { // the batches that tell the ends
		brokertest.Poll(t, f).Release()
	}
	f.Pause(zero)
	brokertest.Send(t, p, zero, brokertest.Numbered(0, 10)...)
	for i := range 5 {
		brokertest.Send(t, p, one, brokertest.Numbered(i, 1)...)
		brokertest.WantNumbers(t, brokertest.ReadTo(t, f, one, int64(i+1)), i, 1)
	}
	f.Resume(zero)
	brokertest.WantNumbers(t, brokertest.ReadTo(t, f, zero, 10), 0, 10)
}

// A partition that is started, moved or resumed does not wait until the broker answers a request for others, which it holds open
// because there is nothing new.
func TestAPartitionIsReadWhileOthersAreWaitedFor(t *testing.T) {
	kafkatest.Parallel(t)
	const maxWait = 5 * time.Second
	k := kafkatest.Start(t)
	c := brokertest.Open(t, k)
	topic := k.Topic(t, "soon", 2)
	idle, other := broker.TopicPartition{Topic: topic, Partition: 0}, broker.TopicPartition{Topic: topic, Partition: 1}
	p := brokertest.NewProducer(t, c, broker.ProducerConfig{})
	f := brokertest.NewFetcher(t, c, broker.FetcherConfig{MaxWait: maxWait})
	var asked atomic.Int64 // the offset of the idle partition in the last request that the broker has got
	if cluster := k.Cluster(); cluster != nil {
		cluster.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
			cluster.KeepControl()
			for _, t := range r.(*kmsg.FetchRequest).Topics {
				for _, p := range t.Partitions {
					if p.Partition == idle.Partition {
						asked.Store(p.FetchOffset)
					}
				}
			}
			return nil, nil, false
		})
	}
	// wait has a request for the idle partition at the broker, which holds it. A real broker does not tell: there the request may be
	// on its way.
	waited := int64(0)
	wait := func() {
		brokertest.Send(t, p, idle, brokertest.Numbered(int(waited), 1)...)
		waited++
		brokertest.ReadTo(t, f, idle, waited)
		brokertest.Await(t, "a request behind the record", func() bool { return k.Real() || asked.Load() == waited })
	}
	f.Start(idle, 0)
	// Machines are busy at times, so that the best of several is what counts.
	const tries = 3
	best := map[string]time.Duration{"started": maxWait, "moved": maxWait, "resumed": maxWait}
	measure := func(what string, offset int64, begin func()) {
		begun := time.Now()
		begin()
		brokertest.ReadTo(t, f, other, offset+1)
		best[what] = min(best[what], time.Since(begun))
	}
	for i := range int64(tries) {
		wait()
		brokertest.Send(t, p, other, brokertest.Numbered(0, 1)...)
		measure("started", 2*i, func() { f.Start(other, 2*i) })
		wait()
		measure("moved", 2*i, func() { f.Start(other, 2*i) })
		f.Pause(other)
		wait()
		brokertest.Send(t, p, other, brokertest.Numbered(0, 1)...)
		measure("resumed", 2*i+1, func() { f.Resume(other) })
		f.Stop(other)
	}
	for what, took := range best {
		t.Logf("%s: %v", what, took)
		if took > 300*time.Millisecond {
			t.Errorf("a partition that was %s is read after %v", what, took)
		}
	}
}

// Close ends a look-up of leaders that the cluster does not answer, and leaves no goroutine that repeats it.
func TestCloseEndsALookUpOfLeaders(t *testing.T) {
	k, c := brokertest.StartFake(t, "holds back requests in kfake")
	topic := k.Topic(t, "held", 1)
	held, release, returned := make(chan struct{}), make(chan struct{}), make(chan struct{})
	defer func() { // before the cluster is closed, which waits for nobody
		close(release)
		<-returned
	}()
	k.Cluster().ControlKey(int16(kmsg.Metadata), func(kmsg.Request) (kmsg.Response, error, bool) {
		defer close(returned)
		close(held)
		k.Cluster().SleepControl(func() { <-release })
		return nil, nil, false
	})
	f, err := c.NewFetcher(broker.FetcherConfig{})
	if err != nil {
		t.Fatal(err)
	}
	f.Start(broker.TopicPartition{Topic: topic}, 0)
	<-held
	closed := make(chan error, 1)
	go func() { closed <- f.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(brokertest.Patience):
		t.Fatal("Close does not return")
	}
}

func TestWakeEndsAPoll(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	f := brokertest.NewFetcher(t, brokertest.Open(t, k), broker.FetcherConfig{})
	f.Wake()
	if batch, err := f.Poll(brokertest.Within(t), time.Hour); batch != nil || err != nil {
		t.Error(batch, err)
	}
	go f.Wake()
	if batch, err := f.Poll(brokertest.Within(t), time.Hour); batch != nil || err != nil {
		t.Error(batch, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Poll(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestAnOffsetOutOfRangeStopsItsPartitionOnly(t *testing.T) {
	k, c := brokertest.Start(t)
	topic := k.Topic(t, "range", 2)
	zero, one := broker.TopicPartition{Topic: topic, Partition: 0}, broker.TopicPartition{Topic: topic, Partition: 1}
	p := brokertest.NewProducer(t, c, broker.ProducerConfig{})
	brokertest.Send(t, p, zero, brokertest.Numbered(0, 5)...)
	f := brokertest.NewFetcher(t, c, broker.FetcherConfig{MaxWait: 20 * time.Millisecond})
	f.Start(one, 0)
	brokertest.Poll(t, f).Release()
	f.Start(zero, 77)
	out, ok := errors.AsType[*broker.OffsetOutOfRangeError](brokertest.PollError(t, f))
	want := &broker.OffsetOutOfRangeError{TopicPartition: zero, Offset: 77, Earliest: 0, End: 5}
	if !ok || *out != *want {
		t.Errorf("got %v, want %v", out, want)
	}
	brokertest.Send(t, p, one, brokertest.Numbered(0, 1)...)
	brokertest.WantNumbers(t, brokertest.ReadTo(t, f, one, 1), 0, 1)
	f.Start(zero, 5)
	brokertest.Poll(t, f).Release()
	brokertest.Send(t, p, zero, brokertest.Numbered(5, 1)...)
	brokertest.WantNumbers(t, brokertest.ReadTo(t, f, zero, 6), 5, 1)
}

func TestLargeRecordsAreRead(t *testing.T) {
	k, c := brokertest.Start(t)
	topic := k.Topic(t, "large", 3)
	p := brokertest.NewProducer(t, c, broker.ProducerConfig{})
	f := brokertest.NewFetcher(t, c, broker.FetcherConfig{BufferBytes: 100_000}) // less than a record
	left := 0
	for i := range int32(3) {
		tp := broker.TopicPartition{Topic: topic, Partition: i}
		for n := range 4 {
			value := bytes.Repeat([]byte{byte(n)}, 900_000)
			brokertest.Send(t, p, tp, broker.Record{Value: value, Millis: brokertest.Now})
			left++
		}
		f.Start(tp, 0)
	}
	for left > 0 {
		batch := brokertest.Poll(t, f)
		for _, r := range batch.Records {
			if len(r.Value) != 900_000 || int64(r.Value[0]) != r.Offset {
				t.Fatalf("%s: record %d has %d bytes of %d", batch.TopicPartition, r.Offset, len(r.Value), r.Value[0])
			}
			left--
		}
		batch.Release()
	}
}

func TestOnePartitionThatIsNotPolledDoesNotStopTheOthers(t *testing.T) {
	k, c := brokertest.Start(t)
	topic := k.Topic(t, "bound", 2)
	zero, one := broker.TopicPartition{Topic: topic, Partition: 0}, broker.TopicPartition{Topic: topic, Partition: 1}
	p := brokertest.NewProducer(t, c, broker.ProducerConfig{})
	records := make([]broker.Record, 100)
	for i := range records {
		records[i] = broker.Record{Value: make([]byte, 1000), Millis: brokertest.Now}
	}
	for range 20 {
		brokertest.Send(t, p, zero, records...)
	}
	brokertest.Send(t, p, one, brokertest.Numbered(0, 10)...)
	f := brokertest.NewFetcher(t, c, broker.FetcherConfig{BufferBytes: 400_000, MaxWait: 20 * time.Millisecond})
	f.Start(zero, 0)
	f.Start(one, 0)
	// Batches that are held on to use up the buffer, and the other partition is read all the same.
	var held []*broker.Batch
	read := map[broker.TopicPartition]int64{}
	for read[one] < 10 {
		batch := brokertest.Poll(t, f)
		read[batch.TopicPartition] = batch.NextOffset
		held = append(held, batch)
	}
	for {
		batch, err := f.Poll(brokertest.Within(t), 200*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		if batch == nil {
			break
		}
		read[batch.TopicPartition] = batch.NextOffset
		held = append(held, batch)
	}
	if read[zero] > 800 {
		t.Errorf("%d records of 1000 bytes were read ahead with a buffer of 400000 bytes", read[zero])
	}
	for _, batch := range held {
		batch.Release()
	}
	for read[zero] < 2000 {
		batch := brokertest.Poll(t, f)
		read[batch.TopicPartition] = batch.NextOffset
		batch.Release()
	}
}

func TestTheFetcherFollowsLeadersAndOutlastsConnections(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t, kfake.NumBrokers(3))
	if k.Real() {
		t.Skip("moves leaders and drops connections, which takes kfake")
	}
	c := brokertest.Open(t, k)
	tp := broker.TopicPartition{Topic: k.Topic(t, "move", 1)}
	p := brokertest.NewProducer(t, c, broker.ProducerConfig{})
	f := brokertest.NewFetcher(t, c, broker.FetcherConfig{MaxWait: 20 * time.Millisecond})
	f.Start(tp, 0)
	for i := range 12 {
		if i%2 == 0 {
			node := (k.Cluster().LeaderFor(tp.Topic, 0) + 1) % 3
			if err := k.Cluster().MoveTopicPartition(tp.Topic, 0, node); err != nil {
				t.Fatal(err)
			}
		} else {
			dropped := 0
			k.Cluster().ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
				if dropped++; dropped < 3 {
					k.Cluster().KeepControl()
				} else {
					k.Cluster().DropControl()
				}
				return nil, errors.New("dropped"), true
			})
		}
		brokertest.Send(t, p, tp, brokertest.Numbered(10*i, 10)...)
		brokertest.WantNumbers(t, brokertest.ReadTo(t, f, tp, int64(10*i+10)), 10*i, 10)
	}
}

func TestPositionsMovePastCompactedRecords(t *testing.T) {
	k, c := brokertest.StartFake(t, "compacts at once, which takes kfake")
	topic := k.Name("compact")
	err := c.CreateTopics(brokertest.Within(t), broker.TopicSpec{
		Name: topic, Partitions: 1, Replication: -1,
		Config: map[string]string{"cleanup.policy": "compact", "segment.bytes": "1024", "min.cleanable.dirty.ratio": "0"},
	})
	if err != nil {
		t.Fatal(err)
	}
	tp := broker.TopicPartition{Topic: topic}
	p := brokertest.NewProducer(t, c, broker.ProducerConfig{})
	brokertest.Send(t, p, tp, broker.Record{Key: []byte("stays at offset 0"), Value: []byte("first"), Millis: brokertest.Now})
	const n = 300
	for i := range n {
		brokertest.Send(t, p, tp, broker.Record{Key: fmt.Append(nil, i%3), Value: fmt.Append(nil, i), Millis: brokertest.Now})
	}
	k.Cluster().Compact()
	f := brokertest.NewFetcher(t, c, broker.FetcherConfig{})
	f.Start(tp, 0)
	got := brokertest.ReadTo(t, f, tp, n+1)
	if len(got) > n {
		t.Fatal("nothing was compacted")
	}
	if diff := cmp.Diff(fmt.Sprint(n-1), got[len(got)-1]); diff != "" {
		t.Error(diff)
	}
}
