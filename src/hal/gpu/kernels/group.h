/* (Token, expert) pairs sorted by expert, so that an expert's weights are read once for all its tokens.  One group of items: an
 * expert, or several, belongs to an item, which counts its pairs, and then lists them ascending.
 *
 * order: the pairs' numbers.  tiles: three numbers for each of at most n_tiles tiles of up to most pairs: the expert, where in
 * order they begin, how many; those that are not needed have none. */
#ifndef NCE_SRC_GPU_GROUP_H
#define NCE_SRC_GPU_GROUP_H

NCE_KERNEL void nce_gpu_group(NCE_G const int *ids, int n, int n_experts, int most, NCE_G int *order, NCE_G int *tiles,
                              int n_tiles)
{
    NCE_SHARED(int, count, NCE_GPU_EXPERTS_MAX);
    NCE_SHARED(int, first, NCE_GPU_EXPERTS_MAX);
    NCE_SHARED(int, tile, NCE_GPU_EXPERTS_MAX + 1);
    const int t = nce_tid;
    for (int e = t; e < n_experts; e += nce_size) {
        int c = 0;
        for (int i = 0; i < n; i++)
            c += ids[i] == e ? 1 : 0;
        count[e] = c;
    }
    nce_sync();
    if (t == 0) {
        int at = 0, used = 0;
        for (int e = 0; e < n_experts; e++) {
            first[e] = at;
            tile[e] = used;
            at += count[e];
            used += (count[e] + most - 1) / most;
        }
        tile[n_experts] = used;
    }
    nce_sync();
    for (int e = t; e < n_experts; e += nce_size) {
        int at = first[e];
        for (int i = 0; i < n; i++)
            if (ids[i] == e) order[at++] = i;
        for (int y = tile[e], from = 0; from < count[e]; y++, from += most) {
            tiles[3 * y] = e;
            tiles[3 * y + 1] = first[e] + from;
            tiles[3 * y + 2] = count[e] - from < most ? count[e] - from : most;
        }
    }
    for (int y = tile[n_experts] + t; y < n_tiles; y += nce_size)
        tiles[3 * y] = tiles[3 * y + 1] = tiles[3 * y + 2] = 0;
}

#endif
