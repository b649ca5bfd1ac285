module mainstay.invalid/toolchain/mongo-tools

go 1.24.0

tool github.com/mongodb/mongo-tools/mongodump/main

require github.com/mongodb/mongo-tools v0.0.0-20240724183527-6d4f001be3fc
