module github.com/weirstreams/weir/internal/release

go 1.27

toolchain go1.27.4

require golang.org/x/mod v0.42.0
