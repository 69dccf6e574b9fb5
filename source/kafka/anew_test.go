package kafka_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/source"
	sourcekafka "github.com/weirstreams/weir/source/kafka"
)

// makeAnew deletes a topic of one partition, and creates another with its name.
func (c *cluster) makeAnew(t testing.TB, topic string) {
	t.Helper()
	conf := sarama.NewConfig()
	conf.Version = sarama.V3_6_0_0
	admin, err := sarama.NewClusterAdmin(c.Brokers, conf)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if err := admin.DeleteTopic(topic); err != nil {
		t.Fatal(err)
	}
	brokertest.Await(t, "the topic is gone", func() bool {
		infos, err := c.client.Topics(brokertest.Within(t), topic)
		return err == nil && len(infos) == 0
	})
	brokertest.Await(t, "the topic is there again", func() bool {
		return c.client.CreateTopics(brokertest.Within(t), broker.TopicSpec{Name: topic, Partitions: 1}) == nil
	})
	c.producer = brokertest.NewProducer(t, c.client, broker.ProducerConfig{})
}

func TestATopicThatWasMadeAnewIsNotTakenForTheFormerOne(t *testing.T) {
	kafkatest.Parallel(t)
	for _, lost := range []sourcekafka.Lost{sourcekafka.LostFails, sourcekafka.LostSkips} {
		t.Run(fmt.Sprint(lost), func(t *testing.T) {
			there, here := newCluster(t), newCluster(t)
			from, to := there.Topic(t, "there", 1), here.Topic(t, "here", 1)
			group, dir := here.Name("copy"), t.TempDir()
			run := func(outputs int64) error {
				o := options{Connection: there.connection(), OnLost: lost}
				app := here.app(t, group, dir, sourcekafka.New(raw(from), o), to, source.Options{})
				return app.RunUntil(brokertest.Within(t), runtime.Until{Outputs: outputs})
			}
			there.send(t, from, 0, record("k", "a", brokertest.Now))
			if err := run(1); err != nil {
				t.Fatal(err)
			}
			there.makeAnew(t, from)
			there.send(t, from, 0, record("k", "b", brokertest.Now), record("k", "c", brokertest.Now)) // more than there were
			err := run(2)
			if lost == sourcekafka.LostFails {
				if _, ok := errors.AsType[*source.Error](err); !ok || !errors.Is(err, weir.ErrLostInput) {
					t.Errorf("the error is: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"a", "b", "c"}, values(here.read(t, to))); diff != "" {
				t.Error(diff)
			}
		})
	}
}
