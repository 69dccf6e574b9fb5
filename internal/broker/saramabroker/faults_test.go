package saramabroker_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	"github.com/weirstreams/weir/internal/kafkatest"
)

func TestABrokerThatIsNotThereIsAnErrorInTime(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()

	for name, addr := range map[string]string{"refuses": "127.0.0.1:1", "is silent": silent.Addr().String()} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			begun := time.Now()
			_, err := saramabroker.Open(ctx, saramabroker.Config{Brokers: []string{addr}})
			if !errors.Is(err, weir.ErrUnavailable) || !strings.Contains(err.Error(), addr) {
				t.Errorf("got %v, want %v that names %s", err, weir.ErrUnavailable, addr)
			}
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
		})
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
		return saramabroker.Open(ctx, saramabroker.Config{Brokers: k.Brokers, Logger: brokertest.Logger(t), Tune: func(conf *sarama.Config) {
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
	if err := admin.CreateTopics(brokertest.Within(t), broker.TopicSpec{Name: topic, Partitions: 1, Replication: -1}); err != nil {
		t.Fatal(err)
	}
	tp := broker.TopicPartition{Topic: topic}
	brokertest.Send(t, brokertest.NewProducer(t, admin, broker.ProducerConfig{}), tp, brokertest.Numbered(0, 1)...)

	guest, err := as("guest", "pass")
	if err != nil {
		t.Fatal(err)
	}
	defer guest.Close()
	refused := map[string]error{"create": guest.CreateTopics(brokertest.Within(t), broker.TopicSpec{Name: k.Name("mine"), Partitions: 1, Replication: -1})}
	_, refused["describe"] = guest.Topics(brokertest.Within(t), topic)
	_, refused["offsets"] = guest.Offsets(brokertest.Within(t), broker.End, tp)
	_, refused["committed offsets"] = guest.CommittedOffsets(brokertest.Within(t), "group", tp)
	refused["send"] = brokertest.NewProducer(t, guest, broker.ProducerConfig{}).Send(brokertest.Within(t), tp, brokertest.Numbered(0, 1))
	f := brokertest.NewFetcher(t, guest, broker.FetcherConfig{})
	f.Start(tp, 0)
	refused["fetch"] = brokertest.PollError(t, f)
	for what, err := range refused {
		if !errors.Is(err, weir.ErrUnauthorized) {
			t.Errorf("%s: got %v, want %v", what, err, weir.ErrUnauthorized)
		}
	}
}
