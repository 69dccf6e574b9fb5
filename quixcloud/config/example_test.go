package config_test

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/kafkatest/heldclose"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/quixcloud/config"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

type (
	Reading struct{ Value float64 }
	Alarm   struct{ Value, Limit float64 }
)

// Readings above the limit that was configured for their device at their time. The events come from a broker in this process,
// the contents from a server in it.
func Example() {
	err := withService(func(ctx context.Context, brokers []string) error {
		readings := stream.NewTopic("readings", codec.String(), codec.JSON[Reading]())
		alarms := stream.NewTopic("alarms", codec.String(), codec.JSON[Alarm]())

		configurations, err := config.Open(ctx, config.Config{Connection: kafka.Connection{Brokers: brokers}, Topic: "configurations"})
		if err != nil {
			return err
		}
		defer configurations.Close()
		limits, err := configurations.Fields(config.JSON("max", "limits", "$.max").Default(100.0))
		if err != nil {
			return err
		}
		t := stream.NewTopology()
		t.From(readings).JoinLookupRecord(limits, func(_ context.Context, r weir.Record[string, Reading]) (config.Query, error) {
			return config.Query{TargetKey: r.Key, Time: r.Time()}, nil
		}, func(_ context.Context, r weir.Record[string, Reading], limits row.Row) (Alarm, error) {
			limit, _ := limits.Get[float64]("max")
			return Alarm{r.Value.Value, limit}, nil
		}).Filter(func(a Alarm) bool { return a.Value > a.Limit }).To(alarms)

		return testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
			d.Input(readings).Send("press", Reading{90}, time.Date(2026, 2, 28, 0, 0, 0, 0, time.UTC))
			d.Input(readings).Send("press", Reading{90}, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
			d.Input(readings).Send("lathe", Reading{101}, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
			for _, r := range d.Output(alarms).Read() {
				fmt.Printf("%s on %s: %v is above %v\n", r.Key, r.Time.UTC().Format(time.DateOnly), r.Value.Value, r.Value.Limit)
			}
		})
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// press on 2026-03-01: 90 is above 80
	// lathe on 2026-03-01: 101 is above 100
}

// withService calls f with a configuration service that knows one configuration: the limit of the press since March.
func withService(f func(ctx context.Context, brokers []string) error) error {
	contents := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"max": 80.0}`) }))
	defer contents.Close()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.ListenFn(heldclose.Listen), kfake.SeedTopics(1, "configurations"))
	if err != nil {
		return err
	}
	defer cluster.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	config := sarama.NewConfig()
	config.Producer.Return.Successes = true
	producer, err := sarama.NewSyncProducer(cluster.ListenAddrs(), config)
	if err != nil {
		return err
	}
	_, _, err = producer.SendMessage(&sarama.ProducerMessage{Topic: "configurations", Value: sarama.StringEncoder(fmt.Sprintf(
		`{"id": "%x", "event": "created", "contentUrl": %q, "metadata": {
			"type": "limits", "target_key": "press", "valid_from": "2026-03-01T00:00:00Z", "version": 1}}`,
		sha1.Sum([]byte("limits-press")), contents.URL))})
	if err := errors.Join(err, producer.Close()); err != nil {
		return err
	}
	return f(ctx, cluster.ListenAddrs())
}
