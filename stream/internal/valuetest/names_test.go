package valuetest_test

import "github.com/weirstreams/weir/stream/internal/streamtest"

var (
	in    = streamtest.In
	out   = streamtest.Out
	at    = streamtest.At
	topic = streamtest.Topic
)
