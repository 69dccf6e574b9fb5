package saramabroker_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker"
	"github.com/weirstreams/weir/internal/kafkatest"
)

func TestABrokerThatIsNotThereIsAnErrorInTime(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing := closed.Addr().String()
	closed.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()

	for name, addr := range map[string]string{"refuses": refusing, "is silent": silent.Addr().String()} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			begun := time.Now()
			_, err := saramabroker.Open(ctx, saramabroker.Config{Brokers: []string{addr}})
			if !errors.Is(err, broker.ErrUnavailable) || !strings.Contains(err.Error(), addr) {
				t.Errorf("got %v, want %v that names %s", err, broker.ErrUnavailable, addr)
			}
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func TestAFailedDeliveryFailsTheProducer(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	c := open(t, k)
	topic := k.Topic(t, "fail", 1)
	good := broker.TopicPartition{Topic: topic}
	cases := map[string]struct {
		tp   broker.TopicPartition
		r    broker.Record
		want error
		late bool // the cluster finds it, when Send has returned
	}{
		"unknown topic":     {tp: broker.TopicPartition{Topic: k.Name("none")}, want: broker.ErrUnknownTopic},
		"unknown partition": {tp: broker.TopicPartition{Topic: topic, Partition: 1}, want: broker.ErrUnknownTopic},
		"too large":         {tp: good, r: broker.Record{Value: make([]byte, 1<<20+1)}, late: true},
		"before 1970":       {tp: good, r: broker.Record{Millis: -5}},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			p := newProducer(t, c, broker.ProducerConfig{})
			send(t, p, good, numbered(0, 1)...)
			for i, err := range []error{p.Send(within(t), test.tp, []broker.Record{test.r}), p.Flush(within(t)), p.Send(within(t), good, numbered(0, 1))} {
				if i == 0 && test.late && err == nil {
					continue
				}
				delivery, ok := errors.AsType[*broker.DeliveryError](err)
				if !ok || delivery.TopicPartition != test.tp || test.want != nil && !errors.Is(err, test.want) {
					t.Errorf("call %d: got %v, want a delivery error of %s by %v", i, err, test.tp, test.want)
				}
			}
		})
	}
}

func TestTheProducerOutlastsFaults(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t, kfake.NumBrokers(3))
	if k.Real() {
		t.Skip("moves leaders and drops connections, which takes kfake")
	}
	c := open(t, k)
	tp := broker.TopicPartition{Topic: k.Topic(t, "outlast", 1)}
	p := newProducer(t, c, broker.ProducerConfig{})
	const rounds, n = 10, 50
	for i := range rounds {
		if i%2 == 0 {
			if err := k.Cluster().MoveTopicPartition(tp.Topic, 0, int32(i/2%3)); err != nil {
				t.Fatal(err)
			}
		} else {
			k.Cluster().ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
				return nil, errors.New("dropped"), true
			})
		}
		for j := range 5 {
			if err := p.Send(within(t), tp, numbered(i*n+j*n/5, n/5)); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Flush(within(t)); err != nil {
			t.Fatal(err)
		}
	}
	if last, _ := p.LastOffset(tp); last != rounds*n-1 {
		t.Errorf("last offset is %d, want %d", last, rounds*n-1)
	}
	f := newFetcher(t, c, broker.FetcherConfig{})
	f.Start(tp, 0)
	wantNumbers(t, readTo(t, f, tp, rounds*n), 0, rounds*n)
}

func TestDeliveryEndsWithItsTimeout(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	if k.Real() {
		t.Skip("drops requests, which takes kfake")
	}
	c := open(t, k)
	tp := broker.TopicPartition{Topic: k.Topic(t, "timeout", 1)}
	for name, response := range map[string]func(*kmsg.ProduceRequest) (kmsg.Response, error){
		"connections drop": func(*kmsg.ProduceRequest) (kmsg.Response, error) { return nil, errors.New("dropped") },
		"no answer":        func(*kmsg.ProduceRequest) (kmsg.Response, error) { return nil, nil },
		"no leader": func(request *kmsg.ProduceRequest) (kmsg.Response, error) {
			response := request.ResponseKind().(*kmsg.ProduceResponse)
			for _, topic := range request.Topics {
				rt := kmsg.ProduceResponseTopic{Topic: topic.Topic, TopicID: topic.TopicID}
				for _, p := range topic.Partitions {
					rt.Partitions = append(rt.Partitions, kmsg.ProduceResponseTopicPartition{
						Partition: p.Partition, ErrorCode: kerr.NotLeaderForPartition.Code,
					})
				}
				response.Topics = append(response.Topics, rt)
			}
			return response, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProducer(t, c, broker.ProducerConfig{DeliveryTimeout: 400 * time.Millisecond})
			send(t, p, tp, numbered(0, 1)...)
			var over atomic.Bool
			defer over.Store(true)
			k.Cluster().ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
				k.Cluster().KeepControl()
				if over.Load() {
					k.Cluster().DropControl()
					return nil, nil, false
				}
				response, err := response(r.(*kmsg.ProduceRequest))
				return response, err, true
			})
			begun := time.Now()
			if err := p.Send(within(t), tp, numbered(1, 10)); err != nil {
				t.Fatal(err)
			}
			err := p.Flush(within(t))
			if delivery, ok := errors.AsType[*broker.DeliveryError](err); !ok || delivery.TopicPartition != tp {
				t.Errorf("got %v, want a delivery error of %s", err, tp)
			}
			p.Close()
			if took := time.Since(begun); took > 3*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func TestSendWaitsForRoom(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	if k.Real() {
		t.Skip("holds requests back, which takes kfake")
	}
	c := open(t, k)
	tp := broker.TopicPartition{Topic: k.Topic(t, "room", 1)}
	p := newProducer(t, c, broker.ProducerConfig{BufferBytes: 10_000})
	send(t, p, tp, numbered(0, 1)...)
	free := make(chan struct{})
	k.Cluster().ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		k.Cluster().SleepControl(func() { <-free })
		return nil, nil, false
	})
	large := []broker.Record{{Value: make([]byte, 50_000), Millis: now}}
	if err := p.Send(within(t), tp, large); err != nil { // the first is sent, however large
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := p.Send(ctx, tp, large); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
	}
	close(free)
	if err := p.Send(within(t), tp, large); err != nil {
		t.Fatal(err)
	}
	if err := p.Flush(within(t)); err != nil {
		t.Fatal(err)
	}
	if last, _ := p.LastOffset(tp); last != 2 {
		t.Errorf("last offset is %d, want 2", last)
	}
}

func TestTopicsAreCreatedAndDescribed(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	c := open(t, k)
	a, b := k.Name("admin-a"), k.Name("admin-b")
	specs := []broker.TopicSpec{
		{Name: a, Partitions: 3, Replication: -1, Config: map[string]string{"cleanup.policy": "compact", "retention.ms": "12345000"}},
		{Name: b, Partitions: 1, Replication: 1},
	}
	for range 2 { // the second time they exist
		if err := c.CreateTopics(within(t), specs...); err != nil {
			t.Fatal(err)
		}
		specs[0].Partitions = 5 // which is not looked at any more
	}
	infos, err := c.Topics(within(t), a, b, k.Name("none"))
	if err != nil {
		t.Fatal(err)
	}
	if len(infos) != 2 || infos[a].Name != a || infos[a].Partitions != 3 || infos[b].Partitions != 1 || infos[b].Replication != 1 {
		t.Errorf("got %+v", infos)
	}
	for key, want := range map[string]string{"cleanup.policy": "compact", "retention.ms": "12345000", "retention.bytes": "-1"} {
		if got := infos[a].Config[key]; got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if err := c.CreateTopics(within(t), broker.TopicSpec{Name: k.Name("admin-c"), Partitions: 1, Replication: 9}); err == nil {
		t.Error("a topic with more replicas than brokers was created")
	}
	_, err = c.Topics(within(t))
	if err != nil {
		t.Error(err)
	}
}

func TestRefusedAccessIsAnError(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t, kfake.EnableSASL(), kfake.EnableACLs(),
		kfake.Superuser("PLAIN", "admin", "secret"), kfake.User("PLAIN", "guest", "pass"))
	if k.Real() {
		t.Skip("sets passwords, which takes kfake")
	}
	as := func(user, password string) (broker.Cluster, error) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		return saramabroker.Open(ctx, saramabroker.Config{Brokers: k.Brokers, Logger: logger(t), Tune: func(conf *sarama.Config) {
			conf.Net.SASL.Enable = true
			conf.Net.SASL.User, conf.Net.SASL.Password = user, password
		}})
	}
	if _, err := as("admin", "wrong"); err == nil {
		t.Error("a wrong password was accepted")
	}
	admin, err := as("admin", "secret")
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	topic := k.Name("secret")
	if err := admin.CreateTopics(within(t), broker.TopicSpec{Name: topic, Partitions: 1, Replication: -1}); err != nil {
		t.Fatal(err)
	}
	tp := broker.TopicPartition{Topic: topic}
	send(t, newProducer(t, admin, broker.ProducerConfig{}), tp, numbered(0, 1)...)

	guest, err := as("guest", "pass")
	if err != nil {
		t.Fatal(err)
	}
	defer guest.Close()
	refused := map[string]error{"create": guest.CreateTopics(within(t), broker.TopicSpec{Name: k.Name("mine"), Partitions: 1, Replication: -1})}
	_, refused["describe"] = guest.Topics(within(t), topic)
	_, refused["offsets"] = guest.Offsets(within(t), broker.End, tp)
	_, refused["committed offsets"] = guest.CommittedOffsets(within(t), "group", tp)
	refused["send"] = newProducer(t, guest, broker.ProducerConfig{}).Send(within(t), tp, numbered(0, 1))
	f := newFetcher(t, guest, broker.FetcherConfig{})
	f.Start(tp, 0)
	refused["fetch"] = pollError(t, f)
	for what, err := range refused {
		if !errors.Is(err, broker.ErrUnauthorized) {
			t.Errorf("%s: got %v, want %v", what, err, broker.ErrUnauthorized)
		}
	}
}

func TestAFetcherIsClosedWhileABrokerIsSilent(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	if k.Real() {
		t.Skip("leaves requests without an answer, which takes kfake")
	}
	c := open(t, k)
	f := newFetcher(t, c, broker.FetcherConfig{})
	asked := make(chan struct{})
	k.Cluster().ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		close(asked)
		return nil, nil, true
	})
	f.Start(broker.TopicPartition{Topic: k.Topic(t, "silent", 1)}, 0)
	<-asked
	begun := time.Now()
	f.Close()
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("closing took %s", took)
	}
	if _, err := f.Poll(within(t), time.Hour); err == nil {
		t.Error("a closed fetcher polls")
	}
}

func TestAFetcherDoesNotAskAgainAndAgain(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	if k.Real() {
		t.Skip("counts requests, which takes kfake")
	}
	c := open(t, k)
	topic := k.Topic(t, "idle", 3)
	p := newProducer(t, c, broker.ProducerConfig{})
	f := newFetcher(t, c, broker.FetcherConfig{MaxWait: 100 * time.Millisecond})
	for i := range int32(3) {
		send(t, p, broker.TopicPartition{Topic: topic, Partition: i}, numbered(0, 3)...)
	}
	// One partition is read to its end, one up to an open transaction, and one is paused.
	x := newTransactions(t, k, broker.TopicPartition{Topic: topic, Partition: 1})
	x.begin(3, 1)
	awaitHighWatermark(t, k, x.tp, 4)
	for i := range int32(3) {
		f.Start(broker.TopicPartition{Topic: topic, Partition: i}, 0)
	}
	for range 3 {
		poll(t, f).Release()
	}
	f.Pause(broker.TopicPartition{Topic: topic, Partition: 2})
	var requests atomic.Int32
	k.Cluster().ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		k.Cluster().KeepControl()
		requests.Add(1)
		return nil, nil, false
	})
	if batch, err := f.Poll(within(t), 500*time.Millisecond); batch != nil || err != nil {
		t.Error(batch, err)
	}
	if n := requests.Load(); n > 10 {
		t.Errorf("%d fetches in half a second while there was nothing to read", n)
	}
	x.abort()
}

func TestAProducerThatGetsNoIDIsClosed(t *testing.T) {
	kafkatest.Parallel(t)
	for name, answer := range map[string]error{"dropped": errors.New("dropped"), "silent": nil} {
		t.Run(name, func(t *testing.T) {
			kafkatest.Parallel(t)
			k := kafkatest.Start(t)
			if k.Real() {
				t.Skip("drops requests, which takes kfake")
			}
			// The client waits so long for an answer that does not come, and repeats the request on a new connection then.
			patience := func(c *sarama.Config) { c.Net.ReadTimeout = time.Second }
			c, err := saramabroker.Open(t.Context(), saramabroker.Config{Brokers: k.Brokers, Tune: patience, Logger: logger(t)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			tp := broker.TopicPartition{Topic: k.Topic(t, "noid", 1)}
			var over atomic.Bool
			defer over.Store(true)
			k.Cluster().ControlKey(int16(kmsg.InitProducerID), func(kmsg.Request) (kmsg.Response, error, bool) {
				k.Cluster().KeepControl()
				if over.Load() {
					k.Cluster().DropControl()
					return nil, nil, false
				}
				return nil, answer, true
			})
			p := newProducer(t, c, broker.ProducerConfig{})
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if err := p.Send(ctx, tp, numbered(0, 1)); err != nil { // which needs no ID to wait in the buffer
				t.Error(err)
			}
			if err := p.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
			}
			begun := time.Now()
			p.Close()
			if took := time.Since(begun); took > 3*time.Second {
				t.Errorf("closing took %s", took)
			}

			p = newProducer(t, c, broker.ProducerConfig{DeliveryTimeout: 200 * time.Millisecond})
			err = errors.Join(p.Send(within(t), tp, numbered(0, 1)), p.Flush(within(t)))
			if delivery, ok := errors.AsType[*broker.DeliveryError](err); !ok || delivery.TopicPartition != tp {
				t.Errorf("got %v, want a delivery error of %s", err, tp)
			}
		})
	}
}

func TestASendThatIsGivenUpFailsTheProducer(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	if k.Real() {
		t.Skip("leaves requests without an answer, which takes kfake")
	}
	c := open(t, k)
	tp := broker.TopicPartition{Topic: k.Topic(t, "givenup", 1)}
	p := newProducer(t, c, broker.ProducerConfig{})
	send(t, p, tp, numbered(0, 1)...)
	k.Cluster().ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) { return nil, nil, true })
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	var err error
	for err == nil { // until the client takes no more
		records := make([]broker.Record, 1000)
		for i := range records {
			records[i] = broker.Record{Value: make([]byte, 1000), Millis: now}
		}
		err = p.Send(ctx, tp, records)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
	}
	p.Close()
}
