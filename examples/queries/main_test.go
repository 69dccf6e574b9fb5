package main

import (
	"testing"

	"github.com/weirstreams/weir/examples/internal/localtest"
)

func TestEachMemberAnswersForAll(t *testing.T) { localtest.Expect(t, "queries", program, want) }

const want = `member 1 knows 2085 pieces
member 2 knows 2085 pieces
member 3 knows 2085 pieces
without the first member, articles with n:
  nail: 298
  nut: 397
200 [{"key":"saw","value":496}]
403 the token is missing or wrong
`

func TestThePictureOfTheDocumentation(t *testing.T) { localtest.Picture(t, "queries", topology()) }
