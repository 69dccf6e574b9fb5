package produce_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	"github.com/weirstreams/weir/internal/kafkatest"
)

func TestAFailedDeliveryFailsTheProducer(t *testing.T) {
	k, c := brokertest.Start(t)
	topic := k.Topic(t, "fail", 1)
	good := broker.TopicPartition{Topic: topic}
	cases := map[string]struct {
		tp   broker.TopicPartition
		r    broker.Record
		want error
		late bool // the cluster finds it, when Send has returned
	}{
		"unknown topic":     {tp: broker.TopicPartition{Topic: k.Name("none")}, want: weir.ErrUnknownTopic},
		"unknown partition": {tp: broker.TopicPartition{Topic: topic, Partition: 1}, want: weir.ErrUnknownTopic},
		"too large":         {tp: good, r: broker.Record{Value: make([]byte, 1<<20+1)}, late: true},
		"before 1970":       {tp: good, r: broker.Record{Millis: -5}},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			p := brokertest.NewProducer(t, c, broker.ProducerConfig{})
			brokertest.Send(t, p, good, brokertest.Numbered(0, 1)...)
			for i, err := range []error{p.Send(brokertest.Within(t), test.tp, []broker.Record{test.r}), p.Flush(brokertest.Within(t)), p.Send(brokertest.Within(t), good, brokertest.Numbered(0, 1))} {
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
	c := brokertest.Open(t, k)
	tp := broker.TopicPartition{Topic: k.Topic(t, "outlast", 1)}
	p := brokertest.NewProducer(t, c, broker.ProducerConfig{})
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
			if err := p.Send(brokertest.Within(t), tp, brokertest.Numbered(i*n+j*n/5, n/5)); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Flush(brokertest.Within(t)); err != nil {
			t.Fatal(err)
		}
	}
	if last, _ := p.LastOffset(tp); last != rounds*n-1 {
		t.Errorf("last offset is %d, want %d", last, rounds*n-1)
	}
	f := brokertest.NewFetcher(t, c, broker.FetcherConfig{})
	f.Start(tp, 0)
	brokertest.WantNumbers(t, brokertest.ReadTo(t, f, tp, rounds*n), 0, rounds*n)
}

func TestDeliveryEndsWithItsTimeout(t *testing.T) {
	k, c := brokertest.StartFake(t, "drops requests, which takes kfake")
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
			p := brokertest.NewProducer(t, c, broker.ProducerConfig{DeliveryTimeout: 400 * time.Millisecond})
			brokertest.Send(t, p, tp, brokertest.Numbered(0, 1)...)
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
			if err := p.Send(brokertest.Within(t), tp, brokertest.Numbered(1, 10)); err != nil {
				t.Fatal(err)
			}
			err := p.Flush(brokertest.Within(t))
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
	k, c := brokertest.StartFake(t, "holds requests back, which takes kfake")
	tp := broker.TopicPartition{Topic: k.Topic(t, "room", 1)}
	p := brokertest.NewProducer(t, c, broker.ProducerConfig{BufferBytes: 10_000})
	brokertest.Send(t, p, tp, brokertest.Numbered(0, 1)...)
	free := make(chan struct{})
	k.Cluster().ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		k.Cluster().SleepControl(func() { <-free })
		return nil, nil, false
	})
	large := []broker.Record{{Value: make([]byte, 50_000), Millis: brokertest.Now}}
	if err := p.Send(brokertest.Within(t), tp, large); err != nil { // the first is sent, however large
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := p.Send(ctx, tp, large); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
	}
	close(free)
	if err := p.Send(brokertest.Within(t), tp, large); err != nil {
		t.Fatal(err)
	}
	if err := p.Flush(brokertest.Within(t)); err != nil {
		t.Fatal(err)
	}
	if last, _ := p.LastOffset(tp); last != 2 {
		t.Errorf("last offset is %d, want 2", last)
	}
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
			c, err := saramabroker.Open(t.Context(), saramabroker.Config{Brokers: k.Brokers, Tune: patience, Logger: brokertest.Logger(t)})
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
			p := brokertest.NewProducer(t, c, broker.ProducerConfig{})
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if err := p.Send(ctx, tp, brokertest.Numbered(0, 1)); err != nil { // which needs no ID to wait in the buffer
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

			p = brokertest.NewProducer(t, c, broker.ProducerConfig{DeliveryTimeout: 200 * time.Millisecond})
			err = errors.Join(p.Send(brokertest.Within(t), tp, brokertest.Numbered(0, 1)), p.Flush(brokertest.Within(t)))
			if delivery, ok := errors.AsType[*broker.DeliveryError](err); !ok || delivery.TopicPartition != tp {
				t.Errorf("got %v, want a delivery error of %s", err, tp)
			}
		})
	}
}

func TestASendThatIsGivenUpFailsTheProducer(t *testing.T) {
	k, c := brokertest.StartFake(t, "leaves requests without an answer, which takes kfake")
	tp := broker.TopicPartition{Topic: k.Topic(t, "givenup", 1)}
	p := brokertest.NewProducer(t, c, broker.ProducerConfig{})
	brokertest.Send(t, p, tp, brokertest.Numbered(0, 1)...)
	k.Cluster().ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) { return nil, nil, true })
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	var err error
	for err == nil { // until the client takes no more
		records := make([]broker.Record, 1000)
		for i := range records {
			records[i] = broker.Record{Value: make([]byte, 1000), Millis: brokertest.Now}
		}
		err = p.Send(ctx, tp, records)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
	}
	p.Close()
}
