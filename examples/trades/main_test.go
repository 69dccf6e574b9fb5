package main

import (
	"testing"

	"github.com/weirstreams/weir/examples/internal/localtest"
)

// The quote of a trade's own time counts. The trade of BETA comes before any quote, and the last quote of ALPHA is too old for
// the last trade.
func TestTradesHaveTheQuotesOfTheirTime(t *testing.T) { localtest.Expect(t, "trades", program, want) }

const want = `ALPHA: 100 shares at 1002, the quote was 1000, 3s old
ALPHA: 50 shares at 1010, the quote was 1012, 0s old
`

func TestThePictureOfTheDocumentation(t *testing.T) { localtest.Picture(t, "trades", topology(nil)) }
