// Command wordcount counts words over all product reviews, in state that survives a restart.
//
//	go run ./examples/wordcount
package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/examples/internal/local"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

var (
	reviews = stream.NewTopic("product-reviews", codec.String(), codec.String()).WithPartitions(3)
	counts  = stream.NewTopic("word-counts", codec.String(), codec.Int())

	// count is how often a word has come so far. The key is the word.
	count = store.NewCell[int]("count")
)

// topology counts words. A word may come in any partition: GroupBy brings all of one word together.
func topology(kept *stream.Collector[string, int]) *stream.Topology {
	t := stream.NewTopology()
	t.From(reviews).
		FlatMap(tokenize).
		GroupBy("word", func(word string) string { return word }).
		MapState(count, func(c *store.Cell[int], _ string) int {
			n, _ := c.Get()
			c.Set(n + 1)
			return n + 1
		}).
		Collect(kept).
		To(counts)
	return t
}

// tokenize returns the words of a text, in lower case.
func tokenize(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && r != '\'' })
}

// written are reviews by product.
var written = []struct{ product, text string }{
	{"kettle", "Great kettle, boils fast. Great value!"},
	{"lamp", "The lamp broke after a week. Not great."},
	{"kettle", "Boils fast, looks great, pours well."},
	{"chair", "A chair is a chair. It doesn't wobble."},
	{"lamp", "Fast delivery, and the lamp looks great."},
}

func program(ctx context.Context, out io.Writer, config runtime.Config) error {
	var kept stream.Collector[string, int]
	app, err := runtime.New(topology(&kept), config)
	if err != nil {
		return err
	}
	var records []weir.Record[string, string]
	words := int64(0)
	for _, r := range written {
		records = append(records, weir.Record[string, string]{Key: r.product, Value: r.text, Millis: time.Now().UnixMilli()})
		words += int64(len(tokenize(r.text)))
	}
	if err := local.Feed(ctx, app, reviews, records...); err != nil {
		return err
	}
	if err := app.RunUntil(ctx, runtime.Until{Outputs: words}); err != nil {
		return err
	}
	total := map[string]int{}
	for _, r := range kept.Records() {
		total[r.Key] = max(total[r.Key], r.Value)
	}
	for _, word := range slices.Sorted(maps.Keys(total)) {
		if total[word] > 1 {
			fmt.Fprintf(out, "%-8s %d\n", word, total[word])
		}
	}
	return nil
}

func main() { local.Main("wordcount", program) }
