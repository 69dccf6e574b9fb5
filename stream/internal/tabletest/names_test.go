package tabletest_test

import "github.com/weirstreams/weir/stream/internal/streamtest"

type (
	textStream = streamtest.TextStream
	textRecord = streamtest.TextRecord
	record     = streamtest.TextMessage
)

var (
	topic      = streamtest.Topic
	pages      = streamtest.Pages
	users      = streamtest.Users
	cities     = streamtest.Cities
	words      = streamtest.Words
	same       = streamtest.Same
	concat     = streamtest.Concat
	first      = streamtest.First
	cellHandle = streamtest.Cell
)
