package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// keepForever is the configuration of all topics: the records are as old as the flights.
var keepForever = map[string]*string{"retention.ms": new("-1")}

func loadCommand(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	brokers := flags.String("brokers", "127.0.0.1:9092", "host:port of the cluster")
	topic := flags.String("topic", "flights", "topic to make and write")
	n := flags.Int("n", 1_000_000, "number of flights")
	partitions := flags.Int("partitions", 4, "partitions of the topic")
	var d data
	d.register(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	total, err := load(ctx, strings.Split(*brokers, ","), *topic, d, *n, int32(*partitions))
	if err != nil {
		return err
	}
	fmt.Printf("%d flights in topic %q: %s\n", total.Records, *topic, d)
	return nil
}

// register declares the flags that say where flights come from.
func (d *data) register(flags *flag.FlagSet) {
	flags.StringVar(&d.parquet, "parquet", os.Getenv(parquetVariable), "parquet file of flights; the default is $"+parquetVariable)
	flags.StringVar(&d.sample, "sample", "../examples/flights/flights.json.gz", "flights to repeat if there is no parquet file")
}

// load makes a topic and writes n flights to it: JSON, keyed by origin so that the flights of an airport stay in order,
// at the time of departure. It returns the digest that a reader has to find.
func load(ctx context.Context, brokers []string, topic string, d data, n int, partitions int32) (digest, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		return digest{}, err
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(ctx, partitions, -1, keepForever, topic); err != nil {
		return digest{}, fmt.Errorf("create topic %q: %w", topic, err)
	}
	var total digest
	var failed error
	var once sync.Once
	for f, err := range d.flights(n) {
		if err != nil {
			return digest{}, err
		}
		value, err := json.Marshal(f.Flight)
		if err != nil {
			return digest{}, err
		}
		record := &kgo.Record{Topic: topic, Key: []byte(f.Origin), Value: value, Timestamp: f.at}
		client.Produce(ctx, record, func(_ *kgo.Record, err error) {
			if err != nil {
				once.Do(func() { failed = err })
			}
		})
		total.addFlight(f.Flight)
	}
	if err := client.Flush(ctx); err != nil {
		return digest{}, err
	}
	return total, failed
}
