package cluster_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
	"github.com/weirstreams/weir/internal/kafkatest"
)

func TestSettingsOfTopicsAreChangedAndOthersStay(t *testing.T) {
	k := kafkatest.Start(t)
	c := brokertest.Open(t, k)
	topic, absent := k.Topic(t, "topic", 1), k.Name("absent")
	set := func(settings map[string]string) error {
		return c.ConfigureTopics(brokertest.Within(t), map[string]map[string]string{topic: settings})
	}
	for _, settings := range []map[string]string{{"retention.ms": "5000", "max.message.bytes": "2000000"}, {"retention.ms": "-1"}} {
		if err := set(settings); err != nil {
			t.Fatal(err)
		}
	}
	var config map[string]string
	await := time.Now().Add(10 * time.Second)
	for config["retention.ms"] != "-1" && time.Now().Before(await) { // a broker hears of it after the controller
		infos, err := c.Topics(brokertest.Within(t), topic)
		if err != nil {
			t.Fatal(err)
		}
		config = infos[topic].Config
	}
	if config["retention.ms"] != "-1" || config["max.message.bytes"] != "2000000" {
		t.Errorf("got %v", config)
	}
	err := c.ConfigureTopics(brokertest.Within(t), map[string]map[string]string{absent: {"retention.ms": "1"}})
	if !errors.Is(err, weir.ErrUnknownTopic) {
		t.Errorf("of a topic that is absent: %v", err)
	}
}

func TestRecordsArePurgedBeforeAnOffset(t *testing.T) {
	k := kafkatest.Start(t)
	c := brokertest.Open(t, k)
	topic := k.Topic(t, "topic", 2)
	first, second := broker.TopicPartition{Topic: topic}, broker.TopicPartition{Topic: topic, Partition: 1}
	p := brokertest.NewProducer(t, c, broker.ProducerConfig{})
	for _, tp := range []broker.TopicPartition{first, second} {
		brokertest.Send(t, p, tp, brokertest.Numbered(0, 10)...)
	}
	if err := p.Flush(brokertest.Within(t)); err != nil {
		t.Fatal(err)
	}
	for range 2 { // what is gone is no error
		if err := c.PurgeRecords(brokertest.Within(t), map[broker.TopicPartition]int64{first: 5, second: 10}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := c.Offsets(brokertest.Within(t), broker.Earliest, first, second)
	if err != nil || got[first] != 5 || got[second] != 10 {
		t.Errorf("the partitions begin at %v (%v)", got, err)
	}
	absent := broker.TopicPartition{Topic: topic, Partition: 7}
	err = c.PurgeRecords(brokertest.Within(t), map[broker.TopicPartition]int64{first: 6, absent: 1})
	if !errors.Is(err, weir.ErrUnknownTopic) {
		t.Errorf("of a partition that is absent: %v", err)
	}
	if got, err = c.Offsets(brokertest.Within(t), broker.Earliest, first); err != nil || got[first] != 6 {
		t.Errorf("the partition begins at %v (%v)", got, err)
	}
}

// The cluster refuses records for good: that is told from what passes, and a transaction is aborted then.
func TestRefusedRecordsAreToldFromFailures(t *testing.T) {
	k := kafkatest.Start(t)
	c := brokertest.Open(t, k)
	for _, test := range []struct {
		name, setting, value string
		record               broker.Record
		realOnly             bool
	}{
		{"too large", "max.message.bytes", "1000", broker.Record{Key: []byte("k"), Value: make([]byte, 2000), Millis: brokertest.Now}, false},
		{"from the future", "message.timestamp.after.max.ms", "60000", broker.Record{Key: []byte("k"), Millis: brokertest.Now + 3_600_000}, true},
		{"without a key", "cleanup.policy", "compact", broker.Record{Value: []byte("v"), Millis: brokertest.Now}, true},
	} {
		for _, transactional := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, transactional %v", test.name, transactional), func(t *testing.T) {
				if test.realOnly && !k.Real() {
					t.Skip("the broker for tests takes it")
				}
				topic := k.Name("picky")
				err := c.CreateTopics(brokertest.Within(t), broker.TopicSpec{
					Name: topic, Partitions: 1, Replication: -1, Config: map[string]string{test.setting: test.value},
				})
				if err != nil {
					t.Fatal(err)
				}
				config := broker.ProducerConfig{}
				if transactional {
					config.TransactionalID = k.Name("picky")
				}
				p := brokertest.NewProducer(t, c, config)
				tp := broker.TopicPartition{Topic: topic}
				err = p.Send(brokertest.Within(t), tp, []broker.Record{{Key: []byte("good"), Millis: brokertest.Now}, test.record})
				if err == nil {
					err = p.Flush(brokertest.Within(t))
				}
				failed, ok := errors.AsType[*broker.DeliveryError](err)
				if !ok || failed.TopicPartition != tp || !errors.Is(err, broker.ErrRefused) || errors.Is(err, broker.ErrAborted) != transactional {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}
