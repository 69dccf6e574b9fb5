package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/IBM/sarama"
	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/window"
)

// Hour is the result of the pipeline for an airport and an hour.
type Hour struct {
	Airport string
	window.Result[Delays]
}

// readTopic returns everything that is in a topic now.
func readTopic[K, V any](client sarama.Client, topic stream.Topic[K, V], f func(K, V)) error {
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		return err
	}
	defer consumer.Close()
	partitions, err := client.Partitions(topic.Name())
	if err != nil {
		return err
	}
	for _, p := range partitions {
		end, err := client.GetOffset(topic.Name(), p, sarama.OffsetNewest)
		if err != nil {
			return err
		}
		if err := readPartition(consumer, topic, p, end, f); err != nil {
			return err
		}
	}
	return nil
}

func readPartition[K, V any](consumer sarama.Consumer, topic stream.Topic[K, V], partition int32, end int64, f func(K, V)) error {
	if end == 0 {
		return nil
	}
	records, err := consumer.ConsumePartition(topic.Name(), partition, sarama.OffsetOldest)
	if err != nil {
		return err
	}
	defer records.Close()
	for r := range records.Messages() {
		key, err := topic.KeyCodec().Decode(&codec.Context{Topic: r.Topic, Part: codec.Key}, r.Key)
		if err != nil {
			return err
		}
		value, err := topic.ValueCodec().Decode(&codec.Context{Topic: r.Topic, Part: codec.Value}, r.Value)
		if err != nil {
			return err
		}
		f(key, value)
		if r.Offset+1 >= end {
			return nil
		}
	}
	return nil
}

// worst returns the n hours with the greatest mean delay, of those with at least four flights.
func worst(hours []Hour, n int) []Hour {
	hours = slices.DeleteFunc(slices.Clone(hours), func(h Hour) bool { return h.Value.Flights < 4 })
	slices.SortFunc(hours, func(a, b Hour) int {
		return cmp.Or(cmp.Compare(b.Value.Mean, a.Value.Mean), cmp.Compare(a.Airport, b.Airport), cmp.Compare(a.StartMillis, b.StartMillis))
	})
	return hours[:min(n, len(hours))]
}

// printWorst prints hours as a table.
func printWorst(out io.Writer, hours []Hour, airports map[string]Airport) {
	t := table.NewWriter()
	t.SetOutputMirror(out)
	t.SetStyle(table.StyleLight)
	t.SetTitle("The worst hours to fly, by mean delay")
	t.AppendHeader(table.Row{"airport", "city", "hour", "flights", "mean delay", "max delay"})
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 4, Align: 2}, {Number: 5, Align: 2}, {Number: 6, Align: 2}})
	for _, h := range hours {
		a := airports[h.Airport]
		t.AppendRow(table.Row{
			h.Airport, a.City + ", " + a.State, h.Start().UTC().Format("Mon 2006-01-02 15:04"),
			h.Value.Flights, fmt.Sprintf("%.1f min", h.Value.Mean), fmt.Sprintf("%d min", h.Value.Max),
		})
	}
	t.Render()
}
