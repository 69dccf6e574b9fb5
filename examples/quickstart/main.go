// Command quickstart splits chat messages into words and counts the letters of each: the shortest useful program.
//
//	go run ./examples/quickstart
package main

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/examples/internal/local"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/stream"
)

// Message is a message of a chat.
type Message struct {
	ChatID string `json:"chat_id"`
	Text   string `json:"text"`
}

// Word is a word of a message.
type Word struct {
	Word   string `json:"word"`
	Length int    `json:"length"`
}

var (
	messages = stream.NewTopic("messages", codec.String(), codec.JSON[Message]())
	words    = stream.NewTopic("words", codec.String(), codec.JSON[Word]())
)

// topology declares the pipeline.
func topology(out io.Writer) *stream.Topology {
	t := stream.NewTopology()
	t.From(messages).
		FlatMap(func(m Message) []string { return strings.Fields(m.Text) }).
		Map(func(word string) Word { return Word{word, len(word)} }).
		Filter(func(w Word) bool { return w.Length > 3 }).
		Print(stream.PrintOptions{OneLine: true, To: out}).
		To(words)
	return t
}

// chat is the input.
var chat = []Message{
	{"chat-1", "Rivers bend and weirs hold the water back"},
	{"chat-2", "A topic is a log of records"},
	{"chat-1", "Streams never end"},
}

func program(ctx context.Context, out io.Writer, config runtime.Config) error {
	app, err := runtime.New(topology(out), config)
	if err != nil {
		return err
	}
	var records []weir.Record[string, Message]
	for _, m := range chat {
		records = append(records, weir.Record[string, Message]{Key: m.ChatID, Value: m, Millis: time.Now().UnixMilli()})
	}
	if err := local.Feed(ctx, app, messages, records...); err != nil {
		return err
	}
	// A service would call app.Run(ctx), which goes on until it is told to stop.
	return app.RunUntil(ctx, runtime.Until{Idle: time.Second})
}

func main() { local.Main("quickstart", program) }
