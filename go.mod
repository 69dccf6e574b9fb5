module github.com/weirstreams/weir

go 1.27

toolchain go1.27.4
