package main

import (
	"testing"

	"github.com/weirstreams/weir/examples/internal/localtest"
)

func TestWordsAreCounted(t *testing.T) { localtest.Expect(t, "wordcount", program, want) }

const want = `a        3
boils    2
chair    2
fast     3
great    5
lamp     2
looks    2
the      2
`

func TestThePictureOfTheDocumentation(t *testing.T) { localtest.Picture(t, "wordcount", topology(nil)) }
