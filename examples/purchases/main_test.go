package main

import (
	"testing"

	"github.com/weirstreams/weir/examples/internal/localtest"
)

func TestGoldMembersWhoSpendEnoughGetVouchers(t *testing.T) {
	localtest.Expect(t, "purchases", program, want)
}

const want = `┌─────────────────────────────────────┐
│ Vouchers                            │
├──────────┬─────────────────┬────────┤
│ customer │ email           │ total  │
├──────────┼─────────────────┼────────┤
│ Ada      │ ada@example.com │ 124.95 │
│ Dee      │ unknown         │ 160.65 │
└──────────┴─────────────────┴────────┘
`

func TestThePictureOfTheDocumentation(t *testing.T) { localtest.Picture(t, "purchases", topology(nil)) }
