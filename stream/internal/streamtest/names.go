// Package streamtest has the topics, types and functions that the tests of package stream share. The tests lie in the packages beside
// this one, each with types of its own: the library is compiled anew in each package for each type of a stream, and one package
// with all of them takes the compiler more memory than internal/compilecost allows. The examples stay in package stream.
package streamtest

import (
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// The topics of text that the tests read and write.
var (
	In  = Topic("in")
	Out = Topic("out")

	Pages  = Topic("pages")
	Users  = Topic("users")
	Cities = Topic("cities")
	Words  = Topic("words")
)

// The topics of numbers that the tests read and write.
var (
	Nums    = stream.NewTopic("nums", codec.String(), codec.Int())
	NumsOut = stream.NewTopic("nums-out", codec.String(), codec.Int())
)

// The types of streams of text.
type (
	TextTopic  = stream.Topic[string, string]
	TextStream = stream.Stream[string, string]
	TextRecord = weir.Record[string, string]
	TextCell   = store.Cell[string]
	// TextMessage is a record that a test sends or reads.
	TextMessage = testkit.Record[string, string]
)

// Cell declares the store "cell", which keeps a text for each key.
var Cell = store.NewCell[string]("cell")

// Topic declares a topic of text.
func Topic(name string) TextTopic { return stream.NewTopic(name, codec.String(), codec.String()) }

// At returns a time in milliseconds since the Unix epoch.
func At(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// Same returns the value.
func Same(v string) string { return v }

// Concat returns both values.
func Concat(l, r string) string { return l + r }

// First returns the value, and leaves the cell alone.
func First(_ *TextCell, v string) string { return v }

// Accept returns true.
func Accept(string) bool { return true }

// KeepFirst returns the first of two values.
func KeepFirst[T any](soFar, _ T) T { return soFar }

// Read makes use of a stream, so that it is not a definition that does nothing.
func Read[K, V any](s stream.Stream[K, V]) { s.Peek(func(V) {}) }
